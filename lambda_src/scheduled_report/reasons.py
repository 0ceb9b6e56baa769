"""Why a run failed, in words for the row of the run and the log: no secret, no link, nothing of what a row holds."""

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import HandlerError

_MOST_CHARACTERS = 500


def reason_of(error: Exception) -> str:
    """The words of an error that was foreseen, the operation and the code of a call to AWS, else only the error's class."""
    if isinstance(error, HandlerError):
        faults = "; ".join(f"{fault.pointer or 'the whole'} {fault.message}" for fault in error.faults)
        return f"{error.detail} {faults}".strip()[:_MOST_CHARACTERS]
    if isinstance(error, ClientError):
        return f"{error.operation_name} did not work: {error.response['Error']['Code']}."
    if isinstance(error, BotoCoreError):
        return f"A call to AWS did not work: {type(error).__name__}."
    return f"unexpected error: {type(error).__name__}"

"""What an error of the database means, in words that hold no value of a row and nothing of a secret.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

import re

from shared.errors import HandlerError, InvalidError, UnavailableError

_SYNTAX_OR_ACCESS = "42"
_LONGEST_WORDS = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")

NOT_LET_IN = "The database did not let the function in: check the user, the password, the name of the database and the TLS."

_KNOWN = {
    "57014": UnavailableError(
        "The database stopped the query: it took longer than STATEMENT_TIMEOUT_SECONDS, or than the function has left."
    ),
    "25006": InvalidError("The query changes something; the transaction of a report only reads."),
    "28": InvalidError(NOT_LET_IN),
    "3D": InvalidError(NOT_LET_IN),
    "08": UnavailableError("The connection to the database broke."),
    "53": UnavailableError("The database has too many connections, or too little memory or space."),
    "57P": UnavailableError("The database is starting or shutting down."),
}


def refusal(code: str, words: str) -> HandlerError:
    """The error to raise for an SQLSTATE.

    Only errors about the query itself keep their words, which quote the query. Others quote values.
    """
    for begin in (code, code[:3], code[:2]):
        if known := _KNOWN.get(begin):
            return type(known)(known.detail)
    said = f": {_CONTROL.sub(' ', words)[:_LONGEST_WORDS]}" if code.startswith(_SYNTAX_OR_ACCESS) else ""
    return InvalidError(f"The database refused the query (SQLSTATE {code}){said}")

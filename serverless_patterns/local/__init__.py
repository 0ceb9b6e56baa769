"""The local run: deploy the stacks on an AWS emulator on this machine, drive them over HTTP, and see what happened.

``python -m serverless_patterns.local`` is the way in. No construct and no handler knows about it: the emulator is one more
environment, reached by the real ``cdk deploy`` through ``AWS_ENDPOINT_URL``.
"""

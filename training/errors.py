"""The one exception that users are meant to read."""


class InputError(ValueError):
    """What was given cannot be used.

    The message says, in this order: what was given, what was expected, what to do. The command
    line prints it without a traceback and exits with code 2.
    """

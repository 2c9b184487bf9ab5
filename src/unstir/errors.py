"""The one exception that means 'your input, not our code'."""


class InputError(ValueError):
    """Bad input from outside: the message names the argument, the value and the mend, in one line.

    The command line prints it without a traceback and exits with status 2.
    """


class FollowedError(InputError):
    """An `InputError` that another process of the same launch reports for all."""

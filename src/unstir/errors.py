"""The one exception that means 'your input, not our code', and its words where a library found the fault."""

import re

# What pydantic says of a value, and click, on either of which a version of typer rests: and what to give.
_NUMBER = r"(-?[0-9.e+]+)"
_MENDS = (
    (rf"input should be greater than or equal to {_NUMBER}", r"give \1 or more"),
    (rf"input should be greater than {_NUMBER}", r"give more than \1"),
    (rf"input should be less than or equal to {_NUMBER}", r"give \1 or less"),
    (rf"input should be less than {_NUMBER}", r"give less than \1"),
    (rf".*is not in the range {_NUMBER}<=x<={_NUMBER}", r"give \1 to \2"),
    (rf".*is not in the range x>={_NUMBER}", r"give \1 or more"),
    (r"(input should be|.*is not) a valid int.*", "give a whole number"),
    (r"(input should be|.*is not) a valid (number|float).*", "give a number"),
    (r"input should be a finite number", "give a finite number"),
    (r"(input should be|.*is not) a valid bool.*", "give true or false"),
    (r"input should be a valid string", "give a text"),
)
_CHOICE = "input should be '"


class InputError(ValueError):
    """Bad input from outside: the message names the argument, the value and the mend, in one line.

    The command line prints it without a traceback and exits with status 2.
    """


class FollowedError(InputError):
    """An `InputError` that another process of the same launch reports for all."""


def mended(message: str) -> str:
    """A sentence of pydantic's or click's on a value as what to give, such as `give 1 or more`.

    Any other sentence comes back as it is, without its full stop.
    """
    text = message.strip().removesuffix(".")
    for pattern, mend in _MENDS:
        if found := re.fullmatch(pattern, text, re.IGNORECASE | re.DOTALL):
            return found.expand(mend)
    if text.lower().startswith(_CHOICE):  # 'a', 'b' or 'c'
        return "give " + text[len(_CHOICE) - 1 :].replace("'", "")
    return text

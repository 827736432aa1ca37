"""The one exception for input that cannot be used."""


class InputError(ValueError):
    """A file, folder, setting or checkpoint given by the user cannot be used.

    The message names the file or setting, the value found there and the way out.
    Programs print it without a traceback and exit with a nonzero status.
    """

"""Why a model is used through torch and not through OpenVINO."""


class NotConvertibleError(Exception):
    """The model is used as it is, for the reason in the message."""


class NoRoomError(OSError):
    """The node has too little disk or memory now."""

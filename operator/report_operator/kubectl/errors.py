"""What a command of the plugin can fail with."""


class PluginError(Exception):
    """The command cannot be done; the text says what is wrong and the way out."""


class KubectlError(PluginError):
    """kubectl ended with an error. `reason` is that of the API server's answer (metav1.Status), or empty."""

    def __init__(self, text: str, reason: str = "") -> None:
        super().__init__(text)
        self.reason = reason

"""Settings of the relay, from environment variables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from report_operator.api.destinations import Encryption, MailServer

PREFIX = "REPORT_OPERATOR_SMTP_"
"""Not that of the relay's Service, whose name Kubernetes makes variables of."""


class SettingsError(Exception):
    """Environment variables are missing or wrong; the text names each and what is wanted, and no value."""


_Port = Annotated[int, Field(ge=1, le=65535)]
_Ascii = Annotated[str, Field(pattern=r"^[ -~]*$")]
"""Python's smtplib sends names and passwords in ASCII."""


def _name(host: str) -> str:
    """Return the name of a host; raises ValueError for what none can be, as the resolver does with each mail."""
    try:
        host.encode("idna")
    except UnicodeError as error:
        raise ValueError("is no name of a host: each part has 1 to 63 characters") from error
    return host


class Settings(BaseModel):
    """One field for each environment variable: `host` is REPORT_OPERATOR_SMTP_HOST."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        alias_generator=lambda field: PREFIX + field.upper(),
        use_attribute_docstrings=True,
    )

    key: Annotated[str, Field(min_length=32)]
    """What the operator signs the leave of runs with."""
    sender: Annotated[str, Field(min_length=3)]
    """The address that all mails are from."""
    host: Annotated[str, Field(min_length=1), AfterValidator(_name)]
    """The server that takes the mails."""
    port: Annotated[_Port | None, BeforeValidator(lambda value: value or None)] = None
    """Its port; the usual one of the encryption when not set."""
    encryption: Encryption = Encryption.START_TLS
    """How the connection to it is protected."""
    username: _Ascii = ""
    """The user to log in as; nobody when empty."""
    password: _Ascii = ""
    """The user's password."""
    ca_file: Annotated[Path | None, BeforeValidator(lambda value: value or None)] = None
    """PEM certificates to trust instead of the public authorities."""
    connections: Annotated[int, Field(ge=1, le=100)] = 8
    """Most connections to the server at the same time."""
    listen_port: Annotated[int, Field(ge=0, le=65535)] = 2525
    """Port of the relay."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings; raises SettingsError with one line for each wrong variable."""
        try:
            return cls.model_validate({name: value for name, value in environ.items() if name.startswith(PREFIX)})
        except ValidationError as error:
            lines = [f"{each['loc'][0]}: {each['msg']}" for each in error.errors(include_url=False)]
            raise SettingsError("\n".join(lines)) from error

    @property
    def server(self) -> MailServer:
        """Return the server."""
        return MailServer(host=self.host, port=self.port, encryption=self.encryption)

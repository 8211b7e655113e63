"""What `viewfinder up`, `down` and `status` read from the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from viewfinder.settings import SharedSettings

_EVERY_ADDRESS = {"0.0.0.0", "::", ""}  # noqa: S104 - compared with, not bound to


class StackSettings(SharedSettings):
    """Where the parts that are reached over HTTP listen."""

    api_host: str = Field("127.0.0.1", alias="API_HOST", description="Address of the gateway")
    api_port: int = Field(8000, ge=1, le=65535, alias="API_PORT", description="Port of the gateway")
    api_key: str = Field(
        "",
        alias="VIEWFINDER_API_KEY",
        description="Asked of every client of the gateway, when set",
        repr=False,
    )
    frontend_host: str = Field(
        "127.0.0.1", alias="VIEWFINDER_FRONTEND_HOST", description="Address the UI listens on"
    )
    frontend_port: int = Field(
        8501, ge=1, le=65535, alias="VIEWFINDER_FRONTEND_PORT", description="Port of the UI"
    )

    @property
    def api_url(self) -> str:
        """The gateway, from this machine."""
        return f"http://{_reachable(self.api_host)}:{self.api_port}"

    @property
    def frontend_url(self) -> str:
        """The UI, from this machine."""
        return f"http://{_reachable(self.frontend_host)}:{self.frontend_port}"

    @property
    def logs_dir(self) -> Path:
        """One file a process, rotated."""
        return self.data_dir.absolute() / "logs"


def _reachable(host: str) -> str:
    if host in _EVERY_ADDRESS:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host

"""Settings of the web UI."""

from __future__ import annotations

from pydantic import Field

from viewfinder.settings import SharedSettings


class FrontendSettings(SharedSettings):
    """Where the UI listens and where it finds the gateway."""

    host: str = Field(
        "127.0.0.1", alias="VIEWFINDER_FRONTEND_HOST", description="Address the UI listens on"
    )
    port: int = Field(
        8501, ge=1, le=65535, alias="VIEWFINDER_FRONTEND_PORT", description="Port of the UI"
    )
    api_port: int = Field(
        8000, ge=1, le=65535, alias="API_PORT", description="Port of the gateway on this machine"
    )
    api_url: str = Field(
        "",
        alias="VIEWFINDER_API_URL",
        description="Where the UI's server finds the gateway; empty: API_PORT on this machine",
    )
    public_api_url: str = Field(
        "",
        alias="VIEWFINDER_PUBLIC_API_URL",
        description="Where the browser finds the gateway, for pictures; empty: VIEWFINDER_API_URL",
    )
    api_key: str = Field(
        "",
        alias="VIEWFINDER_API_KEY",
        description="Sent to the gateway by the UI's server",
        repr=False,
    )
    max_upload_mb: int = Field(
        100,
        ge=1,
        le=1024,
        alias="VIEWFINDER_FRONTEND_MAX_UPLOAD_MB",
        description="Largest file the browser may send, MB",
    )

    @property
    def server_side_api_url(self) -> str:
        """The gateway, as this process reaches it."""
        return (self.api_url or f"http://127.0.0.1:{self.api_port}").rstrip("/")

    @property
    def browser_side_api_url(self) -> str:
        """The gateway, as the browser reaches it."""
        return (self.public_api_url or self.server_side_api_url).rstrip("/")

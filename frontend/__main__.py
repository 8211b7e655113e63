"""`python -m frontend`: the web UI."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from frontend.settings import FrontendSettings
from viewfinder.settings import load_settings


def main() -> None:
    """Become Streamlit, so that signals reach it."""
    settings = load_settings(FrontendSettings)
    options = {
        "server.address": settings.host,
        "server.port": settings.port,
        "server.headless": "true",
        "server.maxUploadSize": settings.max_upload_mb,
        "server.fileWatcherType": "none",
        "server.enableXsrfProtection": "true",
        "browser.gatherUsageStats": "false",
        # Before it greets on 0.0.0.0, it asks a host on the internet for this machine's address.
        "logger.hideWelcomeMessage": "true",
        "client.showErrorDetails": "none",
        "client.toolbarMode": "minimal",
        # For light and dark apart: `theme.primaryColor` alone would switch the dark theme off.
        "theme.light.primaryColor": "#D14010",
        "theme.dark.primaryColor": "#E4572E",
        "theme.light.baseRadius": "10px",
        "theme.dark.baseRadius": "10px",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    app = str(Path(__file__).parent / "app.py")
    os.execv(sys.executable, [sys.executable, "-m", "streamlit", "run", app, *flags])  # noqa: S606


if __name__ == "__main__":
    main()

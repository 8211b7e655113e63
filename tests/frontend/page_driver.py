"""The page as Streamlit's AppTest drives it."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest

APP = str(Path(__file__).parents[2] / "frontend" / "app.py")
TIMEOUT_S = 30


def page() -> AppTest:
    return AppTest.from_file(APP, default_timeout=TIMEOUT_S).run()


def texts(app: AppTest) -> str:
    shown = [*app.markdown, *app.caption, *app.error, *app.warning, *app.success]
    return "\n".join([*(str(element.value) for element in shown), *markups(app)])


def markups(app: AppTest) -> list[str]:
    return [element.proto.body for element in app.get("html")]


def drop(app: AppTest, *names: str) -> None:
    app.file_uploader(key="files-0").set_value([(name, b"bytes", "image/jpeg") for name in names])
    app.run()
    wait_for_uploads(app)


def wait_for_uploads(app: AppTest) -> None:
    for sending in app.session_state["sendings"]:
        sending.wait(TIMEOUT_S)
    app.run()

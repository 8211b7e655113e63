"""The processes of a Viewfinder on one machine, and supervisord's configuration for them."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from viewfinder.cli.stack_settings import StackSettings

STACK_MARK = "VIEWFINDER_STACK"
"""In the environment of every process of a stack: its run_dir. Finds those whose parent is gone."""

_ORDER = ("store", "services", "edge")  # in which the groups start; they stop the other way round
_STOP_WAIT_S = 25  # a service takes at most 20 s to finish what is in flight
_ENDLESS = 1_000_000
_HERE = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"}  # noqa: S104 - compared with only


@dataclass(frozen=True)
class Program:
    """One process to keep running."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    group: str = "services"

    @property
    def command(self) -> list[str]:
        """-P: a folder of the user's that is called like a module must not take its place."""
        return [sys.executable, "-P", "-m", self.module, *self.arguments]


def programs_of(settings: StackSettings, frontend: bool = True) -> list[Program]:
    """All processes these settings ask for, in the order they are best started.

    A service whose address is on another machine, say the one with the GPU, is not started here.
    """
    own_queue = [Program("valkey", "viewfinder.valkey", group="store")]
    services = [
        Program("upload", "upload_service"),
        Program("embedding", "embedding_service"),
        Program("search", "search_service"),
        Program("image", "image_service"),
    ]
    workers = [
        Program(f"worker-{number}", "worker", ("--queue", str(number)), group="edge")
        for number in range(settings.index_workers)
    ]
    page = [Program("frontend", "frontend", group="edge")]
    return [
        *([] if settings.redis_host else own_queue),
        *(s for s in services if not _is_elsewhere(getattr(settings, f"{s.name}_address"))),
        *workers,
        Program("gateway", "gateway", group="edge"),
        *(page if frontend and find_spec("streamlit") is not None else []),
    ]


def _is_elsewhere(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    return bool(host) and not address.startswith("unix:") and host not in _HERE


def environment_of(
    settings: StackSettings, inherited: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """What every process of the stack gets to see."""
    return {
        # One thread for each: two on a busy two-core machine were 6.7 times slower than one.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
        **inherited,
        "VIEWFINDER_DATA_DIR": str(settings.data_dir.absolute()),
        # It is for containers, where each service is alone; here they would all take the same.
        "VIEWFINDER_LISTEN_ADDRESS": "",
        STACK_MARK: str(settings.run_dir),
    }


def control_socket(settings: StackSettings) -> Path:
    """Where supervisord takes its orders. The name is short: it gets a suffix while it is made."""
    return settings.run_dir / "up.sock"


def log_file(settings: StackSettings, name: str) -> Path:
    """Everything a process writes."""
    return settings.logs_dir / f"{name}.log"


def supervisord_config(settings: StackSettings, programs: Sequence[Program]) -> str:
    """The text of supervisord.conf."""
    sections = [
        (
            "supervisord",
            {
                "nodaemon": "true",
                "silent": "true",
                "logfile": str(log_file(settings, "supervisord")),
                "logfile_maxbytes": "5MB",
                "logfile_backups": "2",
                "pidfile": str(settings.run_dir / "supervisord.pid"),
                "childlogdir": str(settings.logs_dir),
                "directory": str(Path.cwd()),  # where .env is read from
                **({"user": "root"} if os.geteuid() == 0 else {}),  # else it complains at length
                "minfds": "256",
                "minprocs": "1",
            },
        ),
        (
            "unix_http_server",
            {"file": str(control_socket(settings)), "chmod": "0700"},
        ),
        (
            "rpcinterface:supervisor",
            {"supervisor.rpcinterface_factory": ("supervisor.rpcinterface:make_main_rpcinterface")},
        ),
    ]
    for priority, group in enumerate(_ORDER, start=1):
        members = [program for program in programs if program.group == group]
        if not members:
            continue
        sections += [
            (f"program:{program.name}", _program_options(settings, program)) for program in members
        ]
        names = ",".join(program.name for program in members)
        sections.append((f"group:{group}", {"programs": names, "priority": str(priority)}))
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key}={_escape(value)}\n" for key, value in options.items())
        for name, options in sections
    )


def _program_options(settings: StackSettings, program: Program) -> dict[str, str]:
    return {
        "command": shlex.join(program.command),
        "autorestart": "true",
        "startsecs": "1",
        "startretries": str(_ENDLESS),  # each try waits a second longer than the one before
        "stopsignal": "TERM",
        "stopwaitsecs": str(_STOP_WAIT_S),
        "stopasgroup": "false",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": str(log_file(settings, program.name)),
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": "3",
    }


def _escape(value: str) -> str:
    return value.replace("%", "%%")

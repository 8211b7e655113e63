"""What can go wrong with models. Every message is for the person who typed the command."""

from __future__ import annotations


class ModelProblem(Exception):
    """Base: the message says what is wrong and what to do."""


class UnknownModel(ModelProblem):
    """No such model in the store, no such architecture, or no such pretrained tag."""


class BrokenModel(ModelProblem):
    """A model of the store is damaged."""


class BrokenCheckpoint(ModelProblem):
    """A checkpoint that cannot be read, or that belongs to another architecture."""


class ExportRefused(ModelProblem):
    """The exported model does not say what open_clip says."""


class ModelInUse(ModelProblem):
    """A model that a running service holds, or that is the chosen one."""


class DownloadFailed(ModelProblem):
    """Weights that did not arrive."""


class ColpaliMissing(ModelProblem):
    """torch and colpali-engine are not installed."""


class OpenClipMissing(ModelProblem):
    """torch and open_clip are not installed."""

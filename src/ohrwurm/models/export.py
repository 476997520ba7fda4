"""Models for other programs: plain safetensors, a checkpoint that the original code loads, or ONNX.

ONNX holds the audio encoder and its heads, from waveform to vector and logits where its operators permit, else from
features. What is written was run with onnxruntime and compared with the model itself first.
"""

from __future__ import annotations

import dataclasses
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ohrwurm.atomic import replacing
from ohrwurm.errors import ModelError
from ohrwurm.models import registry
from ohrwurm.models.base import AudioEncoder
from ohrwurm.models.headed import HeadedEncoder

Layout = Literal["safetensors", "published", "onnx"]
OPSET = 18  # the first with all that torch's exporter writes; STFT and DFT came with 17
AGREES = 1e-4  # largest difference, relative to the largest value of a vector
BATCHES = (1, 3)  # sizes compared: the graph takes any


@dataclass(frozen=True)
class Exported:
    """What `export` wrote.

    Attributes:
        takes: of ONNX: "waveform" or "features".
        inputs, outputs: of ONNX: name → shape, "batch" where any size goes.
        difference: of ONNX: the largest to the model itself, relative to the largest value.
        why: of ONNX from features: why not from the waveform.
    """

    path: Path
    layout: Layout
    tensors: int
    takes: str = ""
    inputs: dict[str, list[int | str]] = dataclasses.field(default_factory=dict)
    outputs: dict[str, list[int | str]] = dataclasses.field(default_factory=dict)
    difference: float | None = None
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**dataclasses.asdict(self), "path": str(self.path)}

    def lines(self) -> list[str]:
        """For people."""
        if self.layout != "onnx":
            return [f"{self.tensors} tensors, {self.path.stat().st_size / 1e6:.1f} MB"]
        shapes = [f"{name} {tuple(shape)}" for name, shape in (*self.inputs.items(), *self.outputs.items())]
        told = [f"from {self.takes}: {shapes[0]} → {', '.join(shapes[1:])}, opset {OPSET}"]
        if self.why:
            told.append(f"not from the waveform: {self.why}")
        return [*told, f"largest difference to the model, relative to its largest value: {self.difference:.1e}"]


def export(model: str | Path | AudioEncoder, layout: Layout, out: str | Path) -> Exported:
    """Write a model to one file, complete or not at all.

    Args:
        model: a name, a model folder, `hf:org/name`, or a loaded model in fp32.
        layout: "safetensors", "published" (a pickle of plain tensors, as the original code saved it), "onnx".
        out: the file.

    Raises:
        ModelError: not in fp32, no way to the layout, a package is missing, or what came out differs from the model.

    >>> import tempfile
    >>> made = export("pitchnet", "safetensors", Path(tempfile.mkdtemp()) / "pitchnet.safetensors")
    >>> made.path.stat().st_size > 100_000
    True
    """
    encoder = model if isinstance(model, AudioEncoder) else registry.load(model)
    out = Path(out)
    if out.is_dir():
        raise ModelError(f"{out}: a folder is there. Give the name of a file.")
    if encoder.precision != "fp32":
        raise ModelError(f"{encoder.card.name}: is in {encoder.precision}; export it as it is loaded, in fp32")
    if layout == "safetensors":
        return _safetensors(encoder, out)
    if layout == "published":
        return _published(encoder, out)
    return _onnx(encoder, out)


def _safetensors(encoder: AudioEncoder, out: Path) -> Exported:
    from safetensors.torch import save_file

    state = {name: tensor.contiguous() for name, tensor in encoder.state_dict().items()}
    with replacing(out) as temporary:
        save_file(state, temporary, {"format": "pt", "ohrwurm": encoder.card.to_json()})
    return Exported(out, "safetensors", len(state))


def _published(encoder: AudioEncoder, out: Path) -> Exported:
    """Names, duplicates and dead keys as `to_published` has them; wrapper and prefix as the card says."""
    kept = encoder.card.weights
    state = {kept.get("prefix", "") + name: tensor for name, tensor in encoder.to_published().items()}
    content = {kept["wrapper"]: state} if kept.get("wrapper") else state
    with replacing(out) as temporary:
        torch.save(content, temporary)
    return Exported(out, "published", len(state))


class _Graph(nn.Module):
    """What ONNX is to hold: all that an encoder gives, of the waveform or of its features."""

    def __init__(self, encoder: Any, takes: str) -> None:
        super().__init__()
        self.encoder, self.takes = encoder, takes

    def forward(self, given: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.outputs(given).values())

    def outputs(self, given: Tensor) -> dict[str, Tensor]:
        """Vector, frames where there are any, and the logits of heads as `task.output`."""
        headed, waveform = isinstance(self.encoder, HeadedEncoder), self.takes == "waveform"
        heard: dict[Any, dict[str, Tensor]] = {}
        if headed:
            encoded, heard = self.encoder.encode_and_hear(self.encoder.features(given) if waveform else given)
        else:
            encoded = self.encoder(given) if waveform else self.encoder.encode_features(given)
        found = {"pooled": encoded.pooled} | ({} if encoded.frames is None else {"frames": encoded.frames})
        return found | {f"{task}.{name}": logits for task, outputs in heard.items() for name, logits in outputs.items()}


def _onnx(encoder: AudioEncoder, out: Path) -> Exported:
    _needs_onnx()
    waveforms = _examples(encoder)
    features: list[Tensor] = []
    try:
        with torch.no_grad():
            encoder(waveforms[0])
    except ModelError as error:  # a network whose front-end is other people's, and not there
        if not hasattr(encoder, "feature_shape"):
            raise
        generator = torch.Generator().manual_seed(0)
        features = [torch.rand(size, *encoder.feature_shape, generator=generator) for size in BATCHES]  # type: ignore[misc]
        why = str(error)
    else:
        try:
            return _export_graph(_Graph(encoder, "waveform"), waveforms, out)
        except _NotExportable as error:
            why = str(error)
    if not hasattr(encoder, "encode_features"):
        raise ModelError(f"{encoder.card.name}: has operators that ONNX does not ({why})")
    if not features:
        with torch.no_grad():
            features = [encoder.features(waveform) for waveform in waveforms]  # type: ignore[operator]
    try:
        made = _export_graph(_Graph(encoder, "features"), features, out)
    except _NotExportable as error:
        raise ModelError(f"{encoder.card.name}: has operators that ONNX does not ({error})") from error
    return dataclasses.replace(made, why=why)


class _NotExportable(Exception):
    """The exporter does not know an operator, or not how to record a step."""


def _examples(encoder: AudioEncoder) -> list[Tensor]:
    """Windows to compare on: noise, and in the larger batch a tone and silence, too.

    The tone has a little noise, as recordings have: without it most bands of a spectrum in decibels would hold nothing
    but the rounding of the Fourier transform, which is another in every library.
    """
    card = encoder.card
    generator = torch.Generator().manual_seed(0)
    samples = round(card.window * card.sample_rate)
    windows = [torch.randn(size, samples, generator=generator) * 0.1 for size in BATCHES]
    time = torch.arange(samples) / card.sample_rate
    windows[-1][1] = 0.5 * torch.sin(2 * torch.pi * 440 * time) + 0.01 * windows[-1][1]
    windows[-1][2] = 0.0
    return windows


def _export_graph(graph: _Graph, inputs: list[Tensor], out: Path) -> Exported:
    graph.eval()
    encoder, takes = graph.encoder, graph.takes
    with torch.no_grad():
        expected = [graph(example) for example in inputs]
        names = list(graph.outputs(inputs[0]))
    with _quiet(), torch.no_grad():
        try:
            program = torch.onnx.export(
                graph,
                (inputs[-1],),  # of a batch of one the exporter would conclude that there is never more
                dynamo=True,
                opset_version=OPSET,
                input_names=[takes],
                output_names=names,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
        except Exception as error:  # every stage of the exporter has errors of its own
            raise _NotExportable(_cause(error)) from error
    assert program is not None
    program.model.metadata_props["ohrwurm"] = encoder.card.to_json()
    with replacing(out) as temporary:
        program.save(temporary, external_data=False)
        difference = _difference(temporary, takes, inputs, expected)
        if not difference <= AGREES:
            raise ModelError(
                f"{encoder.card.name}: as ONNX its vectors differ by {difference:.1e} of their largest value "
                f"(allowed: {AGREES:.0e}). Nothing was written; tell us."
            )
    return Exported(
        out,
        "onnx",
        len(program.model.graph.initializers),
        takes,
        {takes: ["batch", *inputs[0].shape[1:]]},
        {name: ["batch", *tensor.shape[1:]] for name, tensor in zip(names, expected[0], strict=True)},
        difference,
    )


def _difference(file: Path, takes: str, inputs: list[Tensor], expected: list[tuple[Tensor, ...]]) -> float:
    """Largest over all inputs and outputs, each relative to the largest value of that output."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    largest = 0.0
    for example, ours in zip(inputs, expected, strict=True):
        for found, tensor in zip(session.run(None, {takes: example.numpy()}), ours, strict=True):
            scale = max(float(tensor.abs().max()), 1e-12)
            largest = max(largest, float((torch.from_numpy(found) - tensor).abs().max()) / scale)
    return largest


def _cause(error: BaseException) -> str:
    """The exporter's errors tell their cause in the innermost of them, in one line among many."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's talk of packages that are not needed here, and of torch's own outdated calls."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
            yield
    finally:
        logger.setLevel(level)


def _needs_onnx() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ModelError(f"ONNX needs {error.name}: pip install 'ohrwurm[onnx]'") from error

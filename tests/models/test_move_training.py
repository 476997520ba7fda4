"""Four optimisation steps of the published training code, through our network, losses and optimiser, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ohrwurm.models.move import MOVE
from ohrwurm.models.move_reduction import reconfigure
from ohrwurm.objectives.metric import normalized_softmax, triplet_loss
from ohrwurm.training.optimizers.ranger import Ranger

pytestmark = pytest.mark.slow


def batch(move_golden, step: int) -> Tensor:
    golden = move_golden["train_steps"]
    seed, frames = int(golden["seed"]) + 100 * step, int(golden["T"])
    pcp = [move_golden.make.pcp23(seed + i, frames) for i in range(int(golden["B"]))]
    return torch.from_numpy(np.stack(pcp)).double()


def compare(model: MOVE, losses: list[float], move_golden, name: str, tolerance: float) -> None:
    golden = move_golden["train_steps"]
    np.testing.assert_allclose(losses, golden[f"{name}_losses64"], rtol=tolerance)
    state = model.state_dict()
    for key in [k for k in golden if k.startswith(f"{name}_") and k.endswith("_64") and "proxies" not in k]:
        ours = key.removeprefix(f"{name}_").removesuffix("_64")
        found = state[ours.removesuffix("_norm")]
        found = found.norm() if ours.endswith("_norm") else found
        scale = float(np.abs(golden[key]).max())
        np.testing.assert_allclose(found.numpy(), golden[key], rtol=tolerance, atol=tolerance * scale, err_msg=ours)
    pcp = torch.from_numpy(move_golden.make.pcp23(int(golden["seed"]) + 999, 400))[None].double()
    with torch.inference_mode():
        found = model.eval()(pcp).numpy()
    expected = golden[f"{name}_eval64"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * float(np.abs(expected).max()))


def test_training_from_scratch_with_hard_triplets_takes_the_published_steps(move_golden) -> None:
    golden = move_golden["train_steps"]
    labels = torch.from_numpy(golden["labels"])
    model = move_golden.fill(MOVE(dim=int(golden["D"]))).double().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for step in range(4):
        optimizer.zero_grad()
        loss = triplet_loss(model(batch(move_golden, step)), labels, margin=1.0, mining="hard")
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    compare(model, losses, move_golden, "baseline", 1e-9)


def test_latent_space_reconfiguration_takes_the_published_steps(move_golden) -> None:
    """Two steps of new layer and proxies alone, then two of everything; the published optimiser rounds to float32."""
    golden = move_golden["train_steps"]
    labels, dim = torch.from_numpy(golden["labels"]).long(), int(golden["D"])
    model = reconfigure(move_golden.fill(MOVE(dim=64)).double(), dim).train()
    with torch.no_grad():
        model.lin1.weight.copy_(torch.from_numpy(move_golden.make.fill_array("lsr.lin1.weight", (dim, 256))))
    proxies = nn.Parameter(torch.from_numpy(move_golden.make.gauss(int(golden["seed"]) + 1, (5, dim))).double())
    rest = [p for name, p in model.named_parameters() if not name.startswith("lin1")]
    optimizer = Ranger([{"params": rest, "lr": 1e-6}, {"params": [model.lin1.weight, proxies]}], lr=0.1)
    losses = []
    for step in range(4):
        for parameter in rest:
            parameter.requires_grad_(step >= 2)
        optimizer.zero_grad()
        loss = normalized_softmax(model(batch(move_golden, step)), labels, proxies)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    compare(model, losses, move_golden, "lsr", 1e-6)
    np.testing.assert_allclose(proxies.detach(), golden["lsr_proxies_64"], rtol=1e-6, atol=1e-6)

import os
import sys
from copy import deepcopy

import numpy as np
import pytest
import torch

from geocloud.errors import Cancelled, ModelError, OutputError
from geocloud.models.networks.conv import ConvAutoencoder
from geocloud.models.networks.dense import DenseAutoencoder
from geocloud.training.checkpoint import CHECKPOINT_FILE, TrainingState, load_checkpoint, replacing
from geocloud.training.loop import LoopOptions, run_training
from geocloud.training.options import Listener
from geocloud.training.patches.data import Patches
from geocloud.training.patches.loop import EpochOptions, TaggedPatches, fit, mean_squared_error


def _patches(number=12):
    """Stripes of random direction and brightness."""
    generator = np.random.default_rng(0)
    rows, cols = np.mgrid[:64, :64] / 64
    waves = [0.4 + 0.3 * np.sin(9 * (a * rows + b * cols)) for a, b in generator.normal(0, 1, (number, 2))]
    data = np.repeat(np.stack(waves)[:, None], 3, axis=1).astype(np.float32)
    return Patches(
        data, np.ones((number, 3), dtype=bool), tuple(map(str, range(number))), np.zeros(number, dtype=np.int64)
    )


def _run(folder, epochs, *, resume=False, network=None, patches=None, lr=1e-3, listener=None):
    torch.manual_seed(0)
    network = network or DenseAutoencoder(3, widths=(16,), latent=4)
    options = EpochOptions(epochs, 4, lr, 0, torch.device("cpu"), folder, "a run", resume)
    losses = fit(network, patches or _patches(), mean_squared_error, options, listener or Listener())
    return network, losses


@pytest.mark.parametrize(
    "make",
    [lambda: DenseAutoencoder(3, widths=(32,), latent=8), lambda: ConvAutoencoder(3, widths=(8, 8, 8), latent=4)],
)
def test_training_drives_the_loss_down(tmp_path, make):
    torch.manual_seed(0)
    _, losses = _run(tmp_path, 30, network=make(), lr=2e-3)
    assert losses[-1] < 0.6 * losses[0]


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(tmp_path):
    (tmp_path / "once").mkdir()
    (tmp_path / "twice").mkdir()
    once, losses = _run(tmp_path / "once", 5)
    _run(tmp_path / "twice", 2)
    twice, resumed = _run(tmp_path / "twice", 5, resume=True)
    assert resumed == losses
    for hard_scene_boost, other in zip(once.parameters(), twice.parameters(), strict=True):
        assert torch.equal(hard_scene_boost, other)


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_a_run_killed_while_it_saves_keeps_the_checkpoint_before_and_its_rest_goes(tmp_path):
    _run(tmp_path, 2)
    before = (tmp_path / CHECKPOINT_FILE).read_bytes()
    child = os.fork()
    if not child:
        with replacing(tmp_path / CHECKPOINT_FILE) as new:
            new.write_bytes(before[:99])
            os._exit(9)
    os.waitpid(child, 0)
    assert (tmp_path / CHECKPOINT_FILE).read_bytes() == before
    _run(tmp_path, 4, resume=True)
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT_FILE]


def test_a_disk_that_is_full_while_a_log_is_written_leaves_the_one_before(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("old")
    with pytest.raises(OutputError, match=r"log\.csv cannot be written \(full\)"), replacing(path) as new:
        new.write_text("half")
        raise OSError("full")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("log.csv", "old")]


@pytest.mark.skipif(sys.platform == "win32", reason="limits as Unix has them")
def test_a_checkpoint_that_finds_no_room_is_one_sentence_and_leaves_the_one_before(tmp_path):
    import resource

    _run(tmp_path, 1)
    before = (tmp_path / CHECKPOINT_FILE).read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OutputError, match=r"checkpoint\.safetensors cannot be written"):
            _run(tmp_path, 2, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(CHECKPOINT_FILE, before)]


def test_who_listens_hears_every_epoch_and_the_end(tmp_path):
    epochs, steps = [], []
    listener = Listener(lambda *step: steps.append(step), lambda *epoch: epochs.append(epoch))
    _, losses = _run(tmp_path, 2, listener=listener)
    assert epochs == [(1, losses[0]), (2, losses[1])]
    assert steps[-1] == (6, 6, "training")


def test_damaged_or_foreign_checkpoints_are_one_sentence(tmp_path):
    with pytest.raises(ModelError, match="to resume from"):
        _run(tmp_path, 1, resume=True)
    _run(tmp_path, 1)
    with pytest.raises(ModelError, match="damaged or does not fit"):
        _run(tmp_path, 2, resume=True, network=DenseAutoencoder(3, widths=(8,), latent=4))
    (tmp_path / CHECKPOINT_FILE).write_bytes(b"\x08\0\0\0\0\0\0\0{}      nonsense")
    with pytest.raises(ModelError, match=r"with other options|damaged"):
        _run(tmp_path, 2, resume=True)
    (tmp_path / CHECKPOINT_FILE).write_bytes(b"short")
    with pytest.raises(ModelError, match="damaged"):
        _run(tmp_path, 2, resume=True)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    patches = _patches()
    patches.data[:] = 1e30
    with pytest.raises(ModelError, match="not a number; train with a lower learning rate"):
        _run(tmp_path, 3, patches=patches)


def test_missing_bands_do_not_enter_the_loss():
    network = ConvAutoencoder(2, widths=(4, 4, 4), latent=2)
    x = torch.rand(2, 2, 64, 64)
    x[1, 1] = 0
    present = torch.tensor([[True, True], [True, False]])
    squares = (network(x) - x).square()
    expected = (squares[0].sum() + squares[1, 0].sum()) / (3 * 64 * 64)
    assert mean_squared_error(network, TaggedPatches(x, present, torch.zeros(2))).item() == pytest.approx(
        expected.item()
    )


def _steps(folder, *, stop_at=None):
    """A network that follows random numbers, its running average, and the steps that were reported."""
    torch.manual_seed(0)
    network = torch.nn.Linear(2, 1)
    rng = torch.Generator().manual_seed(3)
    state = TrainingState(network, torch.optim.AdamW(network.parameters()), deepcopy(network).eval(), rng)
    if (folder / CHECKPOINT_FILE).exists():
        load_checkpoint(folder, state, "toy")
    done = []

    def loss(_):
        x = torch.rand(4, 2, generator=rng)
        return {"sum": (network(x) - x.sum(1, keepdim=True)).square().mean(), "size": network.weight.square().sum()}

    def report(step, terms):
        assert set(terms) == {"sum", "size"}
        done.append(step)
        if step == stop_at:
            raise Cancelled("stopped")

    options = LoopOptions(11, folder, 4, "toy", rate=lambda step: 0.1 / (step + 1), clip=1.0, average=0.9)
    run_training(state, loss, options, report)
    return state, done


def test_a_training_that_is_killed_between_checkpoints_ends_as_if_it_was_not(tmp_path):
    (tmp_path / "once").mkdir()
    (tmp_path / "twice").mkdir()
    once, every = _steps(tmp_path / "once")
    with pytest.raises(Cancelled):
        _steps(tmp_path / "twice", stop_at=7)
    twice, rest = _steps(tmp_path / "twice")
    assert (every, rest) == (list(range(1, 12)), list(range(5, 12)))
    for part, other in ((once.network, twice.network), (once.average, twice.average)):
        assert torch.equal(part.weight, other.weight)
    assert not torch.equal(once.network.weight, once.average.weight)
    assert _steps(tmp_path / "twice")[1] == []  # the last step was saved
    with pytest.raises(ModelError, match="of a run with other options or data"):
        load_checkpoint(tmp_path / "once", twice, "another")

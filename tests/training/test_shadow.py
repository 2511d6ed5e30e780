"""The network for cloud shadow: what is simulated for it, what it learns, and that the scores stay as they are."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score

from geocloud.classes import ClassThresholds
from geocloud.errors import InputError, UsageError
from geocloud.models.network_scorer import load_network
from geocloud.models.networks.unmix import UnmixNet
from geocloud.models.registry import SHIPPED, default_name, load_scorer
from geocloud.scorers.card import read_card, write_card
from geocloud.training.options import TrainOptions
from geocloud.training.unmix import shadow
from geocloud.training.unmix.recipe import UnmixConfig
from geocloud.training.unmix.scenes import TrainingScene
from geocloud.training.unmix.shadow import ShadowBatches, train_shadow
from geocloud.training.unmix.simulator import cast_shadow, sharp_clouds, value_noise
from geocloud.verbs.train import train

WIDTHS = (8, 12, 16, 16, 16)
CONFIG = UnmixConfig(
    precision="fp32",
    batch=8,
    size=64,
    steps=240,
    batch_norm_steps=240,
    lr=1e-2,
    average=0.9,
    small=0.3,
    widths=WIDTHS,
    shadow_widths=WIDTHS,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def fields(n=6, size=160, seed=1, *, clear=True):
    """Scenes of fields and dark lakes, in four bands."""
    rng = generator(seed)
    brightness = 0.12 + 0.12 * value_noise(n, size, rng)
    data = brightness * torch.tensor([0.6, 0.7, 0.7, 2.0]).view(1, 4, 1, 1)
    lakes = value_noise(n, size, rng, octaves=3) > 0.8
    data = torch.where(lakes, torch.tensor([0.08, 0.06, 0.04, 0.02]).view(1, 4, 1, 1), data)
    target, weight = torch.full((size, size), float(not clear)).half(), torch.ones(size, size).half()
    return [TrainingScene(f"fields_{i}", "toy", one.half(), target, weight, (3, 4)) for i, one in enumerate(data)]


@pytest.fixture
def dry(monkeypatch):
    """No lakes but those that the scenes have."""
    monkeypatch.setattr(shadow, "LAKES", 0.0)


def test_a_shadow_is_its_cloud_moved_and_fainter():
    opacity = torch.zeros(4, 1, 128, 128)
    opacity[:, :, 50:60, 60:80] = 1
    cast = cast_shadow(opacity, 40, generator())

    assert cast.amax((1, 2, 3)).min() > 0.25
    assert cast.max() <= 0.85
    rows, columns = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    for one in cast[:, 0]:
        away = [float((one * axis).sum() / one.sum()) - middle for axis, middle in ((rows, 54.5), (columns, 69.5))]
        assert 2 < torch.tensor(away).norm() < 41
        assert (one > 0).sum() < 20 * 30  # the cloud's own size and an edge


def test_clouds_that_cast_shadows_have_an_edge_and_leave_ground():
    clouds = sharp_clouds(8, 96, generator())
    between = ((clouds > 0.05) & (clouds < 0.6)).float().mean()

    assert 0.02 < (clouds > 0.5).float().mean() < 0.5
    assert between < 0.1


@pytest.mark.usefixtures("dry")
def test_what_is_asked_for_is_darker_and_the_blue_sky_lights_it():
    config = replace(CONFIG, unaugmented_share=1.0)
    scenes = [replace(scene, bands=(4,), data=torch.full_like(scene.data, 0.3)) for scene in fields()]
    batches = ShadowBatches(scenes, config, generator())
    drawn = [batches.draw() for _ in range(6)]
    x, shaded, weight = (torch.cat([getattr(batch, name) for batch in drawn]) for name in ("x", "shaded", "weight"))
    dark, lit = ((x * where).sum((0, 2, 3)) / where.sum() for where in (weight * shaded, weight * (1 - shaded)))

    assert (weight * shaded).mean() > 0.02
    torch.testing.assert_close(lit[:4], torch.full((4,), 0.3), atol=0.01, rtol=0)
    assert dark[3] < dark[0] < 0.27
    assert not x[:, 4:].any()


def test_no_shadow_is_cast_where_no_ground_is_known_to_be_clear():
    with pytest.raises(InputError, match="no training scene holds ground that is known to be clear"):
        ShadowBatches(fields(2, clear=False), CONFIG, generator())


def shadow_above_light(network, batch):
    """AUROC of the shadow that is told, and the logits; chance is 0.5."""
    with torch.no_grad():
        told = network.shadow_logit(batch.x, batch.present)
    known = batch.weight > 0
    return float(roc_auc_score(batch.shaded[known], told[known])), told


@pytest.mark.usefixtures("dry")
@pytest.mark.parametrize(
    ("steps", "least"), [(3, 0.0), pytest.param(240, 0.75, marks=pytest.mark.slow)], ids=["score", "shadow"]
)
def test_shadow_is_told_on_ground_never_seen_and_the_score_stays(tmp_path, steps, least):
    torch.manual_seed(0)
    network = UnmixNet(widths=WIDTHS).eval()
    batch = ShadowBatches(fields(seed=77), CONFIG, generator(9)).draw()
    before = network.score(batch.x, batch.present)
    assert network.shadow_logit(batch.x, batch.present) is None
    network = train_shadow(replace(CONFIG, steps=steps), fields(), tmp_path, lambda *_: None, network)

    auroc, told = shadow_above_light(network, batch)
    assert auroc > least
    assert torch.equal(network.score(batch.x, batch.present), before)
    infrared = torch.tensor([0, 0, 0, 0, 0.3, 0.3, 0.1]).view(1, 7, 1, 1)
    with torch.no_grad():
        assert torch.equal(network.shadow_logit(batch.x + infrared, batch.present + (infrared > 0).view(1, 7)), told)


def test_the_default_model_tells_shadow_from_light_and_from_lakes():
    folder = SHIPPED / default_name()
    network = load_network(folder, read_card(folder)).eval()
    batches = ShadowBatches(fields(seed=5), replace(CONFIG, size=128), generator(6))
    drawn = [batches.draw() for _ in range(2)]
    with torch.no_grad():
        told = torch.cat([network.shadow_logit(batch.x, batch.present) for batch in drawn])
    shaded, weight = (torch.cat([getattr(batch, name) for batch in drawn]) for name in ("shaded", "weight"))

    assert roc_auc_score(shaded[weight > 0], told[weight > 0]) > 0.8  # chance is 0.5
    assert (told[(weight > 0) & (shaded == 0)] >= read_card(folder).class_thresholds.shadow).float().mean() < 0.1


@pytest.mark.data
def test_a_recipe_for_shadow_stands_beside_a_model(data_root, tmp_path):
    toy = 'precision = "fp32"\nsteps = 1\nbatch = 2\nsize = 64\nwidths = [4, 4, 6, 6, 8]\n'
    (tmp_path / "toy.toml").write_text(toy)
    (tmp_path / "shadow.toml").write_text('extends = "toy.toml"\nshadow_widths = [4, 4, 4]\n')
    few = tmp_path / "few"
    for name in ("images", "labels"):
        (few / "labelled" / "l8biome" / name).mkdir(parents=True)
        (few / "labelled" / "s2cmc" / name).mkdir(parents=True)
        (few / "labelled" / "s2chips" / name).mkdir(parents=True)
        source = data_root / "labelled" / "l8biome" / name / "Barren_08_0207.tif"
        (few / "labelled" / "l8biome" / name / source.name).symlink_to(source)
    options = TrainOptions(kind="unmix", recipe=tmp_path / "shadow.toml")
    with pytest.raises(UsageError, match=r"shadow\.toml adds a part to a model of kind unmix"):
        train(few, tmp_path / "b", options)
    alone = train(few, tmp_path / "a", replace(options, recipe=tmp_path / "toy.toml"))
    both = train(few, tmp_path / "b", replace(options, start=str(tmp_path / "a")))

    old, new = (load_file(tmp_path / name / "weights.safetensors") for name in "ab")
    assert all(torch.equal(new[name], value) for name, value in old.items())
    assert {name.split(".")[0] for name in new.keys() - old.keys()} == {"shadow"}
    assert read_card(tmp_path / "b").architecture["shadow_widths"] == [4, 4, 4]
    assert both.card.training.recipe.startswith(f"{alone.card.training.recipe}; then geocloud train")
    thresholds = ClassThresholds(thin=0.0, shadow=0.0)
    for name, told in (("a", None), ("b", 0.0)):  # a card cannot claim what its weights do not tell
        write_card(replace(read_card(tmp_path / name), class_thresholds=thresholds), tmp_path / name)
        assert load_scorer(str(tmp_path / name)).card.class_thresholds == replace(thresholds, shadow=told)
    again = train(few, tmp_path / "c", replace(options, recipe=tmp_path / "toy.toml", start=str(tmp_path / "b")))
    assert again.card.architecture["shadow_widths"] == [4, 4, 4]  # it goes along
    assert again.card.class_thresholds is None  # and waits for a threshold of its own

"""What the loop of the deep image prior is made of: stop rules, slice order, steps that a GPU can replay."""

from __future__ import annotations

import itertools
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from medfuse.fusion import fuse, make_method
from medfuse.fusion.dip import replay
from medfuse.fusion.dip.engine import Engine
from medfuse.fusion.dip.method import DeepImagePrior
from medfuse.fusion.dip.problem import Problem
from medfuse.fusion.dip.replay import Lookout, Replay
from medfuse.fusion.dip.slice_order import cold_order, warm_order
from medfuse.fusion.dip.stopping import Discrepancy, LeastVariance, Never
from medfuse.noise import NoiseModel

TINY = {"width": 8, "scales": 2, "output_channels": 1, "device": "cpu"}
WHITE = NoiseModel(0.1**2, 0.0)
CPU = torch.device("cpu")
SETTINGS = {
    "paper": {},
    "fast": {"preset": "fast"},
    "ensemble": {"preset": "fast", "ensemble": 2},
    "variance": {"stop": "variance", "stop_window": 3, "stop_patience": 50},
    "discrepancy": {"stop": "discrepancy"},
}


def noisy(depth=1, size=40, seed=0):
    """Two smooth sources that differ from slice to slice (2, z, y, x), with noise."""
    z, y, x = np.mgrid[:depth, :size, :size] / size
    one = 0.8 * np.exp(-((x - 0.4) ** 2 + (y - 0.5 - z) ** 2) / 0.05)
    other = 0.5 + 0.4 * np.sin(9 * x + 20 * z) * np.cos(7 * y)
    stack = np.stack([one, other])
    return np.clip(stack + 0.1 * np.random.default_rng(seed).standard_normal(stack.shape), 0, 1).astype("f")


def made(settings):
    values = {**TINY, "steps": 60, **settings}
    return make_method(DeepImagePrior, values, values.pop("preset", None))


def engine_of(settings, depth=2, device=CPU):
    method = made(settings)
    problems = [Problem(one, (WHITE, WHITE), method.patch) for one in noisy(depth).swapaxes(0, 1)]
    return Engine(method, (WHITE, WHITE), device), problems


class TestStopRules:
    @staticmethod
    def looks(rule, outputs, distances=None):
        """Score and stop at each step of one slice whose outputs are constant images."""
        rule.restart(torch.tensor([0.1]))
        for i, value in enumerate(outputs):
            distance = torch.tensor([1.0 / (i + 1) if distances is None else distances[i]])
            score, stops = rule.look(torch.full((1, 1, 4, 4), float(value)), distance, torch.tensor(i + 1))
            yield float(score), bool(stops)

    def test_never(self):
        scores, stops = zip(*self.looks(Never(), range(20)), strict=True)
        assert list(scores) == sorted(scores, reverse=True)
        assert not any(stops)

    def test_discrepancy_stops_at_its_level_and_not_before(self):
        rule = Discrepancy(1.01, 1, CPU)
        stops = [stop for _, stop in self.looks(rule, range(20))]
        assert stops.index(True) + 1 == 10  # 1/10 is the first distance within 0.101
        assert rule.reason(0) == "distance to the sources reached the noise level 0.101"

    def test_discrepancy_has_a_level_for_each_slice(self):
        rule = Discrepancy(2.0, 3, CPU)
        rule.restart(torch.tensor([0.1, 0.2, 0.3]))
        _, stops = rule.look(torch.zeros(3, 1, 4, 4), torch.tensor([0.3, 0.3, 0.7]), torch.tensor(1))
        assert stops.tolist() == [False, True, False]

    def test_variance_is_that_of_the_window(self):
        rule = LeastVariance(window=3, patience=3, outputs=torch.zeros(1, 1, 4, 4))
        outputs = [0, 4, 1, 1.5, 1.2, 5, 9, 0]
        scores, stops = zip(*self.looks(rule, outputs), strict=True)
        windows = [np.var(outputs[i - 2 : i + 1]) for i in range(2, len(outputs))]
        assert scores[:2] == (np.inf, np.inf)
        np.testing.assert_allclose(scores[2:], windows, rtol=1e-5)
        assert stops.index(True) + 1 == 8  # the least is at step 5
        assert rule.reason(0) == "the variance of the outputs was least at step 5"

    def test_variance_forgets_the_slices_before(self):
        rule = LeastVariance(window=3, patience=3, outputs=torch.zeros(1, 1, 4, 4))
        first = list(self.looks(rule, [0, 4, 1, 1.5, 1.2, 5, 9, 0]))
        assert list(self.looks(rule, [0, 4, 1, 1.5, 1.2, 5, 9, 0])) == first

    def test_patience_shorter_than_the_window_waits_for_the_window(self):
        rule = LeastVariance(window=6, patience=2, outputs=torch.zeros(1, 1, 4, 4))
        stops = [stop for _, stop in self.looks(rule, [0, 9, 0, 9, 0, 9, 0, 9, 0])]
        assert not any(stops[:5])


class TestWalk:
    @pytest.mark.parametrize("n", [1, 2, 5, 12])
    @pytest.mark.parametrize("slots", [1, 2, 4])
    @pytest.mark.parametrize("is_warm", [False, True])
    def test_every_slice_counts_once(self, n, slots, is_warm):
        slices, slots = list(range(3, 3 + n)), min(slots, n)
        brightness = np.random.default_rng(n).random(3 + n).tolist()
        batches = list(warm_order(slices, slots, brightness) if is_warm else cold_order(slices, slots))
        counted = [
            z for batch in batches for z, counts in zip(batch.slices, batch.counts, strict=True) if counts
        ]
        assert sorted(counted) == slices
        assert {len(batch.slices) for batch in batches} == {slots}
        assert len(batches) <= -(-n // slots) + is_warm  # no slot waits for more than one slice on each leg

    def test_warm_starts_come_from_a_neighbour(self):
        batches = list(warm_order(list(range(9)), 2, [0, 0, 5, 0, 0, 0, 0, 0, 1]))
        assert batches[0].slices == (2, 6)  # the brightest height of both parts, 0 to 3 and 4 to 8
        last = batches[0].slices
        for batch in batches[1:]:
            before = batches[0].slices if batch.start == "back" else last
            steps = [abs(z - old) for z, old in zip(batch.slices, before, strict=True)]
            assert all(step == counts for step, counts in zip(steps, batch.counts, strict=True))
            last = batch.slices
        assert [batch.start for batch in batches] == ["fresh", "on", "on", "back", "on"]

    def test_cold_order_repeats_a_slice_where_a_slot_has_nothing_to_do(self):
        (first, second) = cold_order([2, 3, 5], 2)
        assert (first.slices, first.counts, first.start) == ((2, 3), (True, True), "fresh")
        assert (second.slices, second.counts) == ((5, 5), (True, False))


class TestRecorruption:
    """Pang et al. 2021: the network sees y + αz and is fitted to y − z/α, at any α."""

    @pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0])
    @pytest.mark.parametrize("draws", ["sources", "fused"])
    def test_what_is_seen_and_what_is_fitted_have_uncorrelated_noise(self, alpha, draws):
        settings = {"input": "sources", "draws": draws, "recorruption": alpha, "exposure": "rescale"}
        engine, problems = engine_of({**settings, "output_channels": 3})
        engine.start(problems)
        guide = engine._given.guide[:, None]
        seen, opposite = engine._recorrupted()
        k = 2 if draws == "sources" else 1
        top = 1 if draws == "sources" else np.sqrt(2)
        assert seen.shape == guide.shape
        assert opposite.shape == (2, 1, k, 1, *guide.shape[3:])
        alpha_z = (seen - guide)[:, :, :2] if draws == "sources" else (seen - guide)[:, :, 2:]
        z_by_alpha = opposite[:, :, :, 0] * top
        torch.testing.assert_close(alpha_z, alpha**2 * z_by_alpha, atol=1e-5, rtol=1e-4)
        # cov(y + αz, y − z/α) = var(noise of y) − E[αz · z/α], which vanishes where z is like that noise.
        noise = engine._given.noise
        variance = noise.square() if draws == "sources" else (engine._given.gains * noise).square().sum(1)
        drawn = (alpha_z * z_by_alpha).mean()
        assert float(drawn) == pytest.approx(float(variance.mean()), rel=0.1)

    @pytest.mark.parametrize("draws", ["sources", "fused"])
    def test_the_target_is_seen_as_the_closed_form_of_what_is_seen(self, draws):
        engine, problems = engine_of({"input": "sources", "draws": draws, "recorruption": 2.0})
        engine.start(problems)
        seen, _ = engine._recorrupted()
        closed = (engine._given.gains[:, None] * seen[:, :, :2]).sum(dim=2)
        torch.testing.assert_close(seen[:, :, 2], closed)


class HostLooks(TorchDispatchMode):
    """Counts the operations that make the host wait for a number from the device."""

    WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "unique", "is_nonzero")

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.name().partition("::")[2].partition(".")[0]
        if name.lstrip("_") in {wait.lstrip("_") for wait in self.WAITS}:
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


class TestAStepCanBeReplayed:
    """What a CUDA graph asks of a step, checked where there is no GPU."""

    @pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
    def test_it_never_waits_for_the_device(self, settings, monkeypatch):
        # The optimiser counts its steps on the host on a CPU, and on the device where it is capturable.
        adam = torch.optim.Adam
        monkeypatch.setattr(torch.optim, "Adam", lambda p, lr, fused, capturable: adam(p, lr, fused=True))
        engine, problems = engine_of(settings)
        engine.start(problems)
        with HostLooks() as looks:
            for _ in range(12):
                engine.step()
        assert looks.seen == []
        with HostLooks() as looks:
            bool(engine.run.last.isnan().any())
        assert looks.seen

    @pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
    def test_its_memory_stays_where_it_is(self, settings):
        """From step to step, from slice to slice, and through a return to older networks."""
        engine, problems = engine_of(settings, depth=3)
        engine.start(problems[:2])
        engine.step()
        places = lambda: [tensor.data_ptr() for tensor in kept(engine)]  # noqa: E731
        before = places()
        assert len(before) > 40
        remembered = engine.remember()
        engine.step()
        engine.start(problems[1:], fresh=False)
        engine.step()
        engine.return_to(remembered)
        engine.start(problems[:2], fresh=True)
        for _ in range(11):
            engine.step()
        assert places() == before

    def test_a_fresh_start_forgets(self):
        """The second slice has what it has on its own: nothing of the networks before is left."""
        engine, (first, second) = engine_of({"perturbation": 0.0})
        images = []
        for problem in (first, second, second):
            run = engine.start([problem])
            while run.goes_on():
                engine.step()
            images.append(run.fitted(0).images)
        np.testing.assert_array_equal(images[1], images[2])
        assert not np.allclose(images[0], images[1], atol=0.01)

    def test_return_to_goes_on_as_from_there(self):
        engine, problems = engine_of({"perturbation": 0.0, "warm_steps": 5, "warm_start": True})
        engine.start(problems)
        for _ in range(4):
            engine.step()
        remembered = engine.remember()
        images = []
        for _ in range(2):
            engine.return_to(remembered)
            run = engine.start(problems, fresh=False)
            while run.goes_on():
                engine.step()
            images.append(run.fitted(1).images)
        np.testing.assert_array_equal(*images)

    def test_the_global_random_state_is_left_alone(self):
        before = torch.random.get_rng_state()
        engine, problems = engine_of({"preset": "fast"})
        engine.start(problems)
        engine.step()
        assert torch.equal(before, torch.random.get_rng_state())

    def test_elsewhere_a_replay_is_a_call(self):
        calls = []
        again = Replay(lambda: calls.append(1), CPU, torch.Generator())
        for _ in range(5):
            again()
        assert len(calls) == 5

    def test_elsewhere_a_lookout_sees_the_flag_as_it_is(self):
        flag, lookout = torch.zeros((), dtype=torch.bool), Lookout()
        assert not lookout.sees(flag)
        flag.fill_(True)
        assert lookout.sees(flag)


class TestOnAStandInForCUDA:
    """The order of calls that PyTorch's documentation of CUDA graphs asks for."""

    @pytest.fixture
    def log(self, monkeypatch):
        """torch.cuda as far as it is used, writing down what is asked of it."""
        log = []

        class Graph:
            def register_generator_state(self, generator):
                log.append(("register", generator))

            def replay(self):
                log.append("replay")

        class Stream:
            def wait_stream(self, other):
                log.append("wait")

        @contextmanager
        def inside(name, *_, **__):
            log.append(f"begin {name}")
            yield
            log.append(f"end {name}")

        current = Stream()
        monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
        monkeypatch.setattr(torch.cuda, "Stream", Stream)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda *_: current)
        monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
        monkeypatch.setattr(torch.cuda, "stream", lambda stream: inside("stream"))
        monkeypatch.setattr(torch.cuda, "graph", lambda graph, stream: inside("graph"))
        return log

    def test_a_step_is_recorded_once_and_then_replayed(self, log):
        generator = torch.Generator()
        again = Replay(lambda: log.append("step"), torch.device("cuda", 0), generator)
        for _ in range(6):
            again()
        aside = ["wait", "begin stream", "step", "end stream", "wait"]
        recording = [("register", generator), "begin graph", "step", "end graph", "replay"]
        assert log == [*aside * 3, *recording, "replay", "replay"]

    def test_a_lookout_sees_what_was_twenty_steps_ago_and_waits_for_that_only(self, monkeypatch):
        waited, now = [], [0]

        class Event:
            def record(self, stream):
                self.step = now[0]

            def synchronize(self):
                waited.append(self.step)

        class Flag:
            device = torch.device("cuda", 0)
            is_set = False

        class Copy:
            def copy_(self, flag, non_blocking):
                assert non_blocking
                self.is_set = flag.is_set

            def __bool__(self):
                return self.is_set

        monkeypatch.setattr(torch, "empty", lambda *_, dtype, pin_memory: Copy())
        monkeypatch.setattr(torch.cuda, "Event", Event)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda *_: None)
        flag, lookout, seen = Flag(), Lookout(), []
        for step in range(1, 41):
            now[0] = step
            flag.is_set = step >= 10
            seen.append(lookout.sees(flag))
        assert seen.index(True) + 1 == 30
        assert waited == list(range(1, 21))


def kept(engine):
    """Every tensor that an engine holds from one step to the next, gradients excepted."""
    found, todo, seen = [], [engine], set()
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, torch.Tensor):
            found.append(one)
        elif isinstance(one, dict):
            todo += one.values()
        elif isinstance(one, (list, tuple)):
            todo += one
        elif type(one).__module__.startswith(("medfuse", "torch.nn", "torch.optim")):
            todo += [value for name, value in vars(one).items() if name not in ("_initial", "settings")]
    return found


@pytest.mark.gpu
class TestOnAGPU:
    CUDA = torch.device("cuda")

    @pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
    def test_replayed_steps_equal_those_run_one_by_one(self, settings, monkeypatch):
        """Same noise, same order: what differs is the order of atomic sums."""
        method = made({**settings, "device": "cuda", "steps": 12, "width": 16})
        replayed = fuse(noisy(2), method).array
        monkeypatch.setattr(replay, "_WARM_UP", 10**9)
        plain = fuse(noisy(2), method).array
        np.testing.assert_allclose(replayed, plain, atol=0.02)

    def test_each_replay_draws_new_noise(self):
        engine, problems = engine_of({"preset": "fast", "learning_rate": 1e-6}, device=self.CUDA)
        engine.start(problems)
        outputs = []
        for _ in range(8):
            engine.step()
            outputs.append(engine.run.last.clone())
        differences = [float((a - b).abs().mean()) for a, b in itertools.pairwise(outputs)]
        assert min(differences) > 0.01

    def test_a_graph_is_recorded_once_for_a_stack(self, monkeypatch):
        recorded, graph = [], torch.cuda.CUDAGraph
        monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: recorded.append(1) or graph())
        fuse(noisy(4), made({"preset": "fast", "device": "cuda", "steps": 10, "warm_steps": 5}))
        assert recorded == [1]

    def test_gpu_gives_what_the_cpu_gives(self):
        settings = {"input": "sources", "perturbation": 0.0, "steps": 20, "learning_rate": 0.001}
        cpu = fuse(noisy(), made(settings)).array
        gpu = fuse(noisy(), made({**settings, "device": "cuda"})).array
        np.testing.assert_allclose(gpu, cpu, atol=0.01)

    @pytest.mark.parametrize("precision", ["float32", "bfloat16"])
    def test_it_denoises_as_on_the_cpu(self, precision):
        truth = fuse(np.stack([noisy(seed=seed) for seed in range(30)]).mean(axis=0), "pca").array
        error = lambda **values: np.mean(  # noqa: E731
            (fuse(noisy(), made({"preset": "fast", "width": 16, "scales": 3, **values})).array - truth) ** 2
        )
        assert error(device="cuda", precision=precision) < 1.15 * error()

    def test_a_stop_is_seen_and_comes_from_the_device(self):
        method = made(
            {"input": "sources", "stop": "discrepancy", "steps": 2000, "width": 16, "device": "cuda"}
        )
        info = fuse(noisy(), method).info
        assert info["iterations"][0] < 500
        assert "noise level" in info["stop_reason"][0]
        np.testing.assert_array_equal(fuse(noisy(), method).info["iterations"], info["iterations"])

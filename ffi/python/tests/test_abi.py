"""Every function of imle.h has its counterpart in Python, and both give the same bits."""

import ctypes
import operator
import re
from dataclasses import asdict, replace

import in_c
import libimle
import numpy as np
import pytest

B, S, N, K = (3, 2), 4, 40, 5  # the shape of the leading dimensions, samples, scores, ones
WORDS = 6  # of trees
ROWS = 6


class Case:
    """Arrays for all functions, and the same settings for Python and for C. `trees` are the settings of trees if states
    are trees."""

    def __init__(self, trees=None, **options):
        random = np.random.default_rng(7)
        draw = lambda *shape: random.normal(size=shape).astype(np.float32)  # noqa: E731
        self.trees = trees
        self.n, self.k = (N, K) if trees is None else (WORDS**2, WORDS)
        state = (N,) if trees is None else (WORDS, WORDS)
        self.theta, self.theta_other, self.v = draw(*B, *state), draw(*B, *state), draw(*B, *state)
        self.theta[1, 0, ..., 3:9] = -np.inf
        self.dz, self.losses, self.sizes = draw(*B, S, *state), draw(*B, S), draw(*B, K + 1)
        self.k_row = random.integers(0, self.k + 1, B).astype(np.uint32)
        self.row_ids = random.integers(0, 2**64, B, dtype=np.uint64)
        self.y = np.abs(draw(*B, *state))
        self.temperature = 0.7
        self.options = options
        coupling = options.get("coupling", "independent")
        self.key = libimle.Key(
            2**63 + 5, 9, row0=3, row_ids=self.row_ids, sample0=1, strata=8 * (coupling != "independent")
        )
        # Exact samples are never stratified.
        self.exact_key = replace(self.key, strata=0)
        exact_options = {"temperature": self.temperature, "samples": S}
        if trees is not None:
            self._add_trees(exact_options)
            return
        self.topk = libimle.TopK(K, samples=S, **options)
        self.argmax = libimle.Argmax(samples=S, **options)
        self.exact_topk = libimle.ExactTopK(K, **exact_options)
        self.exact_argmax = libimle.ExactArgmax(**exact_options)
        self.topk_indices = self.exact_topk.sample(self.theta, self.exact_key, k_row=self.k_row).indices
        self.argmax_indices = self.exact_argmax.sample(self.theta, self.exact_key).indices

    def _add_trees(self, exact_options):
        self.theta[1, 0] = np.maximum(self.theta[1, 0], -9)
        self.theta[1, 0, 1, 3:5] = -np.inf
        self.k_row[2, 1] = WORDS
        # The values outside the words of a row are not read.
        inside = np.arange(WORDS) < self.k_row[..., None]
        outside = ~(inside[..., None, :] & inside[..., None])
        for array in (self.theta, self.theta_other, self.v, self.y):
            array[outside] = np.nan
        self.dz[np.broadcast_to(outside[..., None, :, :], self.dz.shape)] = np.nan
        self.tree = libimle.Tree(WORDS, samples=S, **self.trees, **self.options)
        self.exact_tree = libimle.ExactTree(WORDS, **self.trees, **exact_options)
        self.tree_indices = self.exact_tree.sample(self.theta, self.exact_key, n_row=self.k_row).indices

    def in_c(self, name, outputs, **inputs):
        """The outputs of the C function, in arrays like those of Python."""
        outputs = {output: np.full_like(array, 77) for output, array in outputs.items()}
        parameters = [parameter for _, parameter in in_c.FUNCTIONS[name]]
        arguments = outputs | inputs
        arguments["shape"] = in_c.Shape(ROWS, self.n, 1 if "argmax" in name else self.k, S)
        if self.trees is not None:
            arguments["tree_options"] = in_c.default(in_c.TreeOptions)
            for setting, value in self.trees.items():
                setattr(arguments["tree_options"], setting, value)
        if "options" in parameters:
            arguments["options"] = self.c_options()
        if "key" in parameters:
            key = self.exact_key if "exact" in name else self.key
            arguments["key"] = in_c.Key(key.seed, key.step, key.row0, self.row_ids.ctypes.data, key.sample0, key.strata)
        if "temperature" in parameters:
            arguments["temperature"] = self.temperature
        if "dz_sample_stride" in parameters:
            arguments["dz_sample_stride"] = self.n
        status = in_c.call(name, **arguments)
        assert status == in_c.CONSTANTS["IMLE_OK"], name
        return outputs

    def c_options(self):
        options = in_c.default(in_c.Options)
        for name, value in self.options.items():
            number = value
            if isinstance(value, str):
                prefix = {"noise": "NOISE", "target": "TARGET", "difference": "DIFFERENCE", "scale": "SCALE"}
                number = in_c.CONSTANTS[f"IMLE_{prefix.get(name, 'COUPLING')}_{value.upper()}"]
            setattr(options, name.rstrip("_"), number)
        return options


def diagnostics(counts):
    return np.array(counts, np.uint64)


def choices(family):
    """The functions of TopK, Argmax and Tree: each gives what Python returned and the inputs of the C function."""
    layer = operator.attrgetter(family)
    exact = operator.attrgetter(f"exact_{family}")
    lists = operator.attrgetter(f"{family}_indices")
    sizes = {"topk": "k_row", "tree": "n_row"}
    ks = lambda c: {sizes[family]: c.k_row} if family in sizes else {}  # noqa: E731

    def map_(c):
        out = layer(c).map(c.theta, **ks(c))
        return {"z": out.z, "indices": out.indices}, {"theta": c.theta}

    def sample(c):
        out = layer(c).sample(c.theta, c.key, marginals=True, **ks(c))
        return out._asdict(), {"theta": c.theta}

    def gradient(c):
        indices = layer(c).sample(c.theta, c.key, **ks(c)).indices
        out = layer(c).gradient(c.theta, c.dz, c.key, indices=indices, **ks(c))
        replayed = layer(c).gradient(c.theta, c.dz, c.key, **ks(c))
        assert out.grad_theta.tobytes() == replayed.grad_theta.tobytes() and out.diagnostics == replayed.diagnostics
        outputs = {"grad_theta": out.grad_theta, "diagnostics": diagnostics(out.diagnostics)}
        return outputs, {"theta": c.theta, "dz": c.dz, "indices": indices}

    def fenchel_young(c):
        return layer(c).fenchel_young(c.theta, c.y, c.key, **ks(c))._asdict(), {"theta": c.theta, "y": c.y}

    def find_bad_row(c):
        dz = c.dz.copy()
        dz[2, 1, 3].flat[0] = np.nan
        assert layer(c).find_bad_row(c.theta, c.dz, **ks(c)) is None
        place = layer(c).find_bad_row(c.theta, dz, **ks(c))
        return {"row": np.array([np.ravel_multi_index(place, B)], np.uint32)}, {"theta": c.theta, "dz": dz}

    def marginals(c):
        return exact(c).marginals(c.theta, **ks(c))._asdict(), {"theta": c.theta}

    def marginals_vjp(c):
        return {"out": exact(c).marginals_vjp(c.theta, c.v, **ks(c))}, {"theta": c.theta, "v": c.v}

    def sample_exact(c):
        out = exact(c).sample(c.theta, c.exact_key, **ks(c))
        return {"z": out.z, "indices": out.indices}, {"theta": c.theta}

    def log_prob(c):
        return {"log_prob": exact(c).log_prob(c.theta, lists(c), **ks(c))}, {"theta": c.theta, "indices": lists(c)}

    def kl(c):
        inputs = {"theta": c.theta, "theta_other": c.theta_other}
        return {"kl": exact(c).kl(c.theta, c.theta_other, **ks(c))}, inputs

    def simple(c):
        return {"grad_theta": exact(c).simple(c.theta, c.dz, **ks(c))}, {"theta": c.theta, "dz": c.dz}

    def score_function(c):
        inputs = {"theta": c.theta, "indices": lists(c), "losses": c.losses}
        return {"grad_theta": exact(c).score_function(c.theta, lists(c), c.losses, **ks(c))}, inputs

    def unbiased_simple(c):
        inputs = {"theta": c.theta, "indices": lists(c), "dz": c.dz, "losses": c.losses}
        return {"grad_theta": exact(c).unbiased_simple(c.theta, lists(c), c.dz, c.losses, **ks(c))}, inputs

    calls = [find_bad_row, map_, sample, gradient, fenchel_young, marginals, marginals_vjp, sample_exact, log_prob, kl]
    calls += [simple, score_function, unbiased_simple]

    def with_k_row(call):
        def both(c):
            outputs, inputs = call(c)
            return outputs, inputs | ks(c)

        return both

    return {f"imle_{family}_{call.__name__.rstrip('_')}": with_k_row(call) for call in calls}


def log_partitions(c):
    return {"log_partitions": c.exact_topk.log_partitions(c.theta)}, {"theta": c.theta}


def log_partitions_vjp(c):
    return {"out": c.exact_topk.log_partitions_vjp(c.theta, c.sizes)}, {"theta": c.theta, "v": c.sizes}


def straight_through(c):
    return {"grad_theta": libimle.straight_through(c.theta, c.dz)}, {"theta": c.theta, "dz": c.dz}


def perturbed_gradient(c):
    return {"grad_theta": c.topk.perturbed_gradient(c.theta, c.losses, c.key)}, {"theta": c.theta, "losses": c.losses}


def perturb(c):
    return {"scores": c.topk.perturb(c.theta, c.key)}, {"theta": c.theta}


def target(c):
    side = -1 if c.options.get("difference") == "central" else 1
    scores = c.topk.target_scores(c.theta, c.dz, c.key, side=side)
    return {"scores": scores}, {"theta": c.theta, "dz": c.dz, "side": side}


def difference(c):
    z, z_target = c.topk.sample(c.theta, c.key).z, c.dz
    out = c.topk.difference_of(z, z_target)
    outputs = {"grad_theta": out.grad_theta, "diagnostics": diagnostics(out.diagnostics)}
    return outputs, {"z": z, "z_target": z_target}


def noise(c):
    return {"noise": c.topk.noise_of(c.theta.shape, c.key)}, {}


def heads(c):
    return {"heads": c.tree.heads(c.tree_indices)}, {"indices": c.tree_indices, "n_row": c.k_row}


TREES = choices("tree") | {"imle_tree_heads": heads}
LAYERS = choices("topk") | choices("argmax") | TREES
LAYERS |= {
    "imle_topk_log_partitions": log_partitions,
    "imle_topk_log_partitions_vjp": log_partitions_vjp,
    "imle_straight_through": straight_through,
    "imle_perturbed_gradient": perturbed_gradient,
    "imle_perturb": perturb,
    "imle_target": target,
    "imle_difference": difference,
    "imle_noise": noise,
}
# These have tests of their own below.
OTHERS = {
    "imle_version",
    "imle_abi_version",
    "imle_kernel",
    "imle_status_message",
    "imle_options_default",
    "imle_tree_options_default",
    "imle_adaptive_default",
    "imle_adaptive_lambda",
    "imle_adaptive_lambda_from",
    "imle_adaptive_add",
    "imle_adaptive_update",
}
# A user of Python has no workspaces.
FAMILIES = ("topk", "argmax", "tree", "topk_exact", "argmax_exact", "tree_exact")
WITHOUT_COUNTERPART = {f"imle_{family}_workspace_len" for family in FAMILIES}

OPTIONS = {
    "default": {},
    "logistic": {"noise": "logistic", "temperature": 0.5, "lambda_": 3.0},
    "normal": {"noise": "normal", "target_temperature": 0.5, "alpha": 0.8, "scale": "none"},
    "sum_of_gamma": {
        "noise": "sum_of_gamma",
        "sog_terms": 20,
        "sog_kappa": 3.0,
        "difference": "central",
        "lambda_": 0.3,
    },
    "stratified": {"coupling": "stratified", "difference": "central"},
    "combinatorial": {"noise": "none", "target": "combinatorial"},
}
KINDS = [{"projective": p, "single_root": s} for p in (False, True) for s in (False, True)]


def test_every_function_of_the_header_has_a_counterpart():
    known = LAYERS.keys() | OTHERS | WITHOUT_COUNTERPART
    assert in_c.FUNCTIONS.keys() == known


def test_the_header_was_understood():
    assert len(in_c.FUNCTIONS) == len(re.findall(r"^\w[\w *]*\bimle_\w+\(", in_c.HEADER, re.MULTILINE))


# The score function of the noise refuses these options.
REFUSED = {("imle_perturbed_gradient", options) for options in ("sum_of_gamma", "stratified", "combinatorial")}


def assert_same_bits(name, case):
    in_python, inputs = LAYERS[name](case)
    in_c_ = case.in_c(name, in_python, **inputs)
    for output, array in in_python.items():
        assert array.tobytes() == in_c_[output].tobytes(), output


OTHER_LAYERS = [name for name in LAYERS if name not in TREES]


@pytest.mark.parametrize(
    "name, options", [(name, o) for name in OTHER_LAYERS for o in OPTIONS if (name, o) not in REFUSED]
)
def test_python_and_c_give_the_same_bits(name, options):
    assert_same_bits(name, Case(**OPTIONS[options]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", TREES)
def test_python_and_c_give_the_same_bits_for_trees(name, options, kind):
    assert_same_bits(name, Case(kind, **OPTIONS[options]))


@pytest.mark.parametrize("threads", [2, 3, 8])
@pytest.mark.parametrize("name", LAYERS)
def test_threads_change_no_bit(name, threads, monkeypatch):
    """A batch that is large enough for threads, cut into rows that do not divide evenly."""
    monkeypatch.setitem(globals(), "B", (7, 11))
    monkeypatch.setitem(globals(), "N", 1500)
    monkeypatch.setitem(globals(), "WORDS", 24)
    trees = KINDS[0] if name in TREES else None
    one, many = Case(trees), Case(trees)
    for layer in ("topk", "argmax", "tree", "exact_topk", "exact_argmax", "exact_tree"):
        if hasattr(many, layer):
            setattr(many, layer, replace(getattr(many, layer), threads=threads))
    for output, array in LAYERS[name](one)[0].items():
        assert array.tobytes() == LAYERS[name](many)[0][output].tobytes(), output


# ---- the library ----


def c_string(name, *arguments):
    getattr(in_c.LIBRARY, name).restype = ctypes.c_char_p
    return getattr(in_c.LIBRARY, name)(*arguments).decode()


def test_versions():
    assert libimle.__version__ == c_string("imle_version")
    assert libimle.abi_version() == in_c.LIBRARY.imle_abi_version() == in_c.CONSTANTS["IMLE_ABI_VERSION"]
    assert libimle.kernel() == c_string("imle_kernel")


def test_an_error_without_an_argument_has_the_message_of_its_status():
    bad = libimle.AdaptiveParts(theta_squared=-1.0)
    with pytest.raises(libimle.Error) as error:
        libimle.Adaptive().lambda_from(bad)
    assert str(error.value) == c_string("imle_status_message", in_c.CONSTANTS["IMLE_ERR_NONFINITE"])


# ---- defaults ----


def test_the_defaults_are_those_of_the_library():
    c, python = Case().c_options(), libimle.TopK(K)
    for name, _ in in_c.Options._fields_[1:]:
        field = name + "_" * (name == "lambda")
        value = getattr(python, field)
        if isinstance(value, str):
            value = in_c.CONSTANTS[f"IMLE_{name.upper()}_{value.upper()}"]
        assert value == getattr(c, name), name


def test_the_defaults_of_trees_are_those_of_the_library():
    c, python, exact = in_c.default(in_c.TreeOptions), libimle.Tree(WORDS), libimle.ExactTree(WORDS)
    for name, _ in in_c.TreeOptions._fields_[1:]:
        assert getattr(python, name) == getattr(exact, name) == bool(getattr(c, name)), name


def test_the_defaults_of_adaptive_are_those_of_the_library():
    c, python = in_c.default(in_c.Adaptive), asdict(libimle.Adaptive())
    python["rule"] = in_c.CONSTANTS[f"IMLE_ADAPTIVE_{python['rule'].upper()}"]
    assert python.keys() == {name for name, _ in in_c.Adaptive._fields_[1:]}
    for name, value in python.items():
        assert np.float32(value) == np.float32(getattr(c, name)), name


# ---- adaptive lambda ----


def same_state(python, c):
    return all(np.float32(getattr(python, name)) == getattr(c, name) for name in ("a", "g", "previous"))


@pytest.mark.parametrize("rule", ["multiplicative", "additive"])
def test_adaptive(rule):
    case = Case()
    options = {"step": 1e-3, "momentum": 0.5, "theta_floor": 0.0} if rule == "additive" else {}
    python, c = libimle.Adaptive(rule, **options), in_c.default(in_c.Adaptive)
    for name, value in asdict(python).items():
        setattr(c, name, in_c.CONSTANTS[f"IMLE_ADAPTIVE_{value.upper()}"] if name == "rule" else value)

    for step in range(3):
        whole, from_parts = np.zeros(1, np.float32), np.zeros(1, np.float32)
        lengths = {"theta_len": case.theta.size, "dz_len": case.dz.size}
        assert (
            in_c.call("imle_adaptive_lambda", adaptive=c, theta=case.theta, dz=case.dz, **lengths, **{"lambda": whole})
            == 0
        )
        assert python.lambda_for(case.theta, case.dz) == whole[0]

        parts, c_parts = libimle.AdaptiveParts(), in_c.AdaptiveParts()
        parts.add(case.theta, case.dz)
        assert in_c.call("imle_adaptive_add", parts=c_parts, theta=case.theta, dz=case.dz, **lengths) == 0
        assert asdict(parts) == {name: getattr(c_parts, name) for name, _ in in_c.AdaptiveParts._fields_}
        assert in_c.call("imle_adaptive_lambda_from", adaptive=c, parts=c_parts, **{"lambda": from_parts}) == 0
        assert python.lambda_from(parts) == from_parts[0] == whole[0]

        grad = replace(case.topk, lambda_=float(whole[0])).gradient(case.theta, case.dz, libimle.Key(1, step))
        python.update(grad.diagnostics)
        assert in_c.call("imle_adaptive_update", adaptive=c, diagnostics=in_c.Diagnostics(*grad.diagnostics)) == 0
        assert same_state(python, c)

"""The decorators under other packages' names, against their formulas computed by hand with noise that is recorded."""

import inspect
import math

import libimle
import pytest
import torch

import libimle.torch as lt
from libimle.compat import aimle as A
from libimle.compat import torch_imle as T
from refused import assert_refused

B, N, K, S = 5, 8, 3, 4


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def top(scores):
    return torch.zeros_like(scores).scatter(-1, scores.topk(K).indices, 1.0)


def bottom(costs):
    return top(-costs)


class Recorded:
    """A noise distribution of another package: it has `sample` and nothing else."""

    def __init__(self):
        self.generator, self.drawn = torch.Generator().manual_seed(7), []

    def sample(self, shape):
        assert isinstance(shape, torch.Size)
        self.drawn.append(torch.randn(shape, generator=self.generator))
        return self.drawn[-1]


class ForeignTarget:
    """A target distribution as torch-imle has it: two arguments, and no scaling."""

    def __init__(self, alpha, beta):
        self.alpha, self.beta = alpha, beta

    def params(self, theta, dy):
        return self.alpha * theta - self.beta * dy


def run(choose, theta, w):
    """z and the gradient of theta for a loss whose gradient at z is w."""
    x = theta.clone().requires_grad_()
    z = choose(x)
    z.backward(w.to(z.dtype))
    return z.detach(), x.grad


def by_hand(theta, noise, w, tau, tau2, alpha, beta, first=None, solve=top, sign=1):
    """(1/S) sum_s [first state - MAP(alpha theta - beta dy_s + tau' eps_s)]; noise and w are [B, S, N]."""
    z = solve(theta[:, None] + tau * noise)
    dy = sign * w
    target = solve(alpha * theta[:, None] - beta * dy + tau2 * noise)
    upper = {
        None: z,
        "target": solve(alpha * theta[:, None] + tau2 * noise),
        "central": solve(alpha * theta[:, None] + beta * dy + tau2 * noise),
    }[first]
    return z.flatten(0, 1), sign * (upper - target) / (2 if first == "central" else 1)


# ---- gradients ----


@pytest.mark.parametrize("alpha", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("tau, tau2", [(1.0, 1.0), (0.5, 2.0), (1.0, 0.0)])
@pytest.mark.parametrize("target", [T.TargetDistribution, ForeignTarget])
def test_imle_has_the_formula_of_torch_imle(alpha, tau, tau2, target):
    theta, w, noise = random(B, N), random(B * S, N, seed=1), Recorded()
    z, grad = run(T.imle(top, target(alpha, 3.0), noise, S, tau, tau2), theta, w)
    expected, differences = by_hand(theta, noise.drawn[0], w.view(B, S, N), tau, tau2, alpha, 3.0)
    assert torch.equal(z, expected) and len(noise.drawn) == 1
    torch.testing.assert_close(grad, differences.mean(1))
    assert grad.any()


@pytest.mark.parametrize("alpha, tau, tau2", [(1.0, 1.0, 1.0), (0.5, 1.0, 1.0), (1.0, 0.5, 2.0)])
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("minimum", [False, True])
@pytest.mark.parametrize("scaled", [False, True])
def test_aimle_has_its_formula(alpha, tau, tau2, symmetric, minimum, scaled):
    theta, w, noise, solve = random(B, N), random(B * S, N, seed=1), Recorded(), bottom if minimum else top
    target = A.TargetDistribution(alpha, 3.0, do_gradient_scaling=scaled)
    choose = A.aimle(
        target_distribution=target,
        noise_distribution=noise,
        nb_samples=S,
        theta_noise_temperature=tau,
        target_noise_temperature=tau2,
        symmetric_perturbation=symmetric,
        _is_minimization=minimum,
    )(solve)
    z, grad = run(choose, theta, w)
    first = "central" if symmetric else "target" if (alpha, tau) != (1.0, tau2) else None
    sign = -1 if minimum else 1
    expected, differences = by_hand(theta, noise.drawn[0], w.view(B, S, N), tau, tau2, alpha, 3.0, first, solve, sign)
    assert torch.equal(z, expected)
    torch.testing.assert_close(grad, differences.mean(1) / (3.0 if scaled else 1.0))
    assert grad.any()


def test_the_first_state_of_imle_is_that_of_the_forward_pass():
    theta, w, noise = random(B, N), random(B * S, N, seed=1), Recorded()
    _, grad = run(A.imle(top, A.TargetDistribution(0.5, 3.0), noise, S), theta, w)
    _, differences = by_hand(theta, noise.drawn[0], w.view(B, S, N), 1.0, 1.0, 0.5, 3.0)
    torch.testing.assert_close(grad, differences.mean(1))
    assert not torch.equal(grad, run(A.aimle(top, A.TargetDistribution(0.5, 3.0), Recorded(), S), theta, w)[1])


def test_minimising_theta_is_maximising_its_negative():
    theta, w = random(B, N), random(B, N, seed=1)
    for symmetric in (False, True):
        costs = run(A.aimle(bottom, symmetric_perturbation=symmetric, _is_minimization=True), theta, w)
        scores = run(A.aimle(top, symmetric_perturbation=symmetric), -theta, w)
        assert torch.equal(costs[0], scores[0]) and torch.equal(costs[1], -scores[1]) and costs[1].any()


def test_the_gradient_agrees_with_the_layer_of_the_library():
    """The rule of the guide: lambda = beta, not divided, dz = dy."""
    theta, w = random(B, N), random(B, N, seed=1)
    for symmetric in (False, True):
        _, grad = run(A.aimle(top, A.TargetDistribution(1.0, 2.5), symmetric_perturbation=symmetric), theta, w)
        difference = "central" if symmetric else "forward"
        layer = libimle.TopK(K, noise="none", lambda_=2.5, scale="none", difference=difference)
        expected = layer.gradient(theta.numpy(), w.numpy(), libimle.Key(0)).grad_theta
        assert torch.equal(grad, torch.from_numpy(expected)) and grad.any()


def test_the_straight_through_estimator():
    theta, w, noise = random(B, N), random(B * S, N, seed=1), Recorded()
    theta[1, 2] = -torch.inf
    z, grad = run(A.ste(noise_distribution=noise, noise_temperature=0.7, nb_samples=S)(top), theta, w)
    assert torch.equal(z, top(theta[:, None] + 0.7 * noise.drawn[0]).flatten(0, 1))
    expected = w.view(B, S, N).mean(1)
    expected[1, 2] = 0
    torch.testing.assert_close(grad, expected)


def test_samples_for_marginals_are_samples_and_are_processed_as_means():
    theta, w, noise, M = random(B, N), random(B * S * 2, N, seed=1), Recorded(), 2
    seen = []

    class Target(A.TargetDistribution):
        def process(self, theta, dy, gradient):
            seen.append((theta, dy, gradient))
            return 10 * gradient

    z, grad = run(A.aimle(top, Target(1.0, 3.0), noise, S, M), theta, w)
    expected, differences = by_hand(theta, noise.drawn[0], w.view(B, S * M, N), 1.0, 1.0, 1.0, 3.0)
    assert torch.equal(z, expected) and z.shape == (B * S * M, N)
    torch.testing.assert_close(grad, 10 * differences.mean(1))
    ((repeated, dy, gradient),) = seen
    torch.testing.assert_close(gradient, differences.view(B, S, M, N).mean(2))
    assert torch.equal(repeated, theta.repeat_interleave(S * M, 0)) and torch.equal(dy, w)


# ---- adaptive lambda ----


@pytest.mark.parametrize("samples", [1, S])
@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize("symmetric", [False, True])
def test_the_adaptive_target_follows_its_rule(samples, momentum, symmetric):
    settings = dict(beta_update_step=0.05, beta_update_momentum=momentum, grad_norm_decay_rate=0.8, target_norm=1.5)
    target, noise = A.AdaptiveTargetDistribution(1.0, 0.1, 1.0, **settings), Recorded()
    choose = A.aimle(top, target, noise, samples, symmetric_perturbation=symmetric)
    beta, g, previous, betas = 0.1, 1.0, 0.0, set()
    for step in range(30):
        theta, w = random(B, N, seed=step), random(B * samples, N, seed=100 + step)
        _, grad = run(choose, theta, w)
        lambda_ = beta * math.sqrt(samples) * float(theta.norm()) / float(w.norm())
        first = "central" if symmetric else None
        _, differences = by_hand(theta, noise.drawn[-1], w.view(B, samples, N), 1.0, 1.0, 1.0, lambda_, first)
        torch.testing.assert_close(grad, differences.mean(1) / lambda_)
        g = 0.8 * g + 0.2 * int(differences.count_nonzero()) / (B * samples)
        previous = momentum * previous + (0.05 if g < 1.5 else -0.05)
        beta = max(beta + previous, 0.0)
        assert math.isclose(target.grad_norm, g) and math.isclose(target.beta, beta, abs_tol=1e-12)
        betas.add(beta)
        if beta == 0:
            break
    assert len(betas) > 3


def test_the_adaptive_target_is_the_additive_rule_of_the_library():
    target = A.AdaptiveTargetDistribution(initial_beta=0.3, beta_update_step=0.02, target_norm=0.5)
    theirs = libimle.Adaptive("additive", a=0.3, step=0.02, target=0.5, theta_floor=0.0)
    layer = libimle.TopK(K, noise="none")
    for step in range(20):
        theta, w = random(B, N, seed=step), random(B, N, seed=50 + step)
        lambda_ = theirs.lambda_for(theta.numpy(), w.numpy())
        expected, diagnostics = layer.with_lambda(lambda_).gradient(theta.numpy(), w.numpy(), libimle.Key(0))
        theirs.update(diagnostics)
        _, grad = run(A.aimle(top, target), theta, w)
        torch.testing.assert_close(grad, torch.from_numpy(expected))
        assert math.isclose(target.beta, theirs.a, rel_tol=1e-5), step


def test_a_start_at_zero_grows():
    target = A.AdaptiveTargetDistribution(initial_beta=0.0, beta_update_step=0.1)
    theta, w = random(B, N), random(B, N, seed=1)
    gradients = [run(A.aimle(top, target), theta, w)[1] for _ in range(12)]
    assert not gradients[0].any() and any(grad.any() for grad in gradients)


def test_no_gradient_is_nothing_to_learn():
    target = A.AdaptiveTargetDistribution()
    _, grad = run(A.aimle(top, target, Recorded(), S), random(B, N), torch.zeros(B * S, N))
    assert not grad.any()


# ---- noise ----


def moments(noise):
    """Mean and variance of a million values, and five standard errors of each: a false alarm in 1.7 million checks."""
    values = noise.sample(torch.Size((1000, 1000))).double()
    deviations = (values - values.mean()) ** 2
    return [(float(x.mean()), 5 * float(x.std()) / 1000) for x in (values, deviations)]


@pytest.mark.parametrize("k, terms", [(1.0, 10), (5, 10), (10.0, 100)])
def test_sum_of_gamma_noise_has_its_moments(k, terms):
    torch.manual_seed(0)
    (mean, error), (variance, error2) = moments(T.SumOfGammaNoiseDistribution(k=k, nb_iterations=terms))
    harmonic = [sum(i**-p for i in range(1, terms + 1)) for p in (1, 2)]
    assert abs(mean - (harmonic[0] - math.log(terms)) / k) < error
    assert abs(variance - harmonic[1] / k) < error2


def test_gumbel_noise_has_its_moments():
    torch.manual_seed(0)
    (mean, error), (variance, error2) = moments(A.GumbelNoiseDistribution(2.0, 3.0))
    assert abs(mean - (2 + 3 * 0.5772156649)) < error and abs(variance - 9 * math.pi**2 / 6) < error2


@pytest.mark.parametrize("noise", [T.SumOfGammaNoiseDistribution(5), A.GumbelNoiseDistribution()])
def test_noise_is_that_of_torchs_generator(noise):
    torch.manual_seed(3)
    first, second = noise.sample(torch.Size((2, 3, 4))), noise.sample((2, 3, 4))
    torch.manual_seed(3)
    assert torch.equal(noise.sample((2, 3, 4)), first) and not torch.equal(first, second)
    assert first.shape == (2, 3, 4) and first.dtype is torch.float32
    assert noise.sample(()).shape == () and noise.sample((0, 3)).shape == (0, 3)


# ---- tensors, solvers, ways to call ----


def test_ways_to_decorate():
    @T.imle
    def plain(scores):
        """Chooses."""
        return top(scores)

    @A.aimle(nb_samples=2)
    def called(scores):
        return top(scores)

    theta = random(B, N)
    assert plain.__name__ == "plain" and plain.__doc__ == "Chooses." and plain.__wrapped__(theta).shape == (B, N)
    assert torch.equal(plain(theta), top(theta)) and called(theta).shape == (2 * B, N)
    assert T.imle(top, None, None, 3)(theta).shape == (3 * B, N)


def test_arguments_have_their_names_order_and_defaults():
    both = "function target_distribution noise_distribution nb_samples "
    expected = {
        T.imle: both + "input_noise_temperature target_noise_temperature",
        A.imle: both + "nb_marginal_samples theta_noise_temperature target_noise_temperature _gradient_save_path "
        "_is_minimization",
        A.aimle: both + "nb_marginal_samples theta_noise_temperature target_noise_temperature symmetric_perturbation "
        "_is_minimization",
        A.ste: "function noise_distribution noise_temperature nb_samples",
        T.TargetDistribution: "alpha beta do_gradient_scaling eps",
        A.AdaptiveTargetDistribution: "initial_alpha initial_beta initial_grad_norm beta_update_step "
        "beta_update_momentum grad_norm_decay_rate target_norm",
        T.SumOfGammaNoiseDistribution: "k nb_iterations device",
        A.GumbelNoiseDistribution: "location scale device",
    }
    for function, names in expected.items():
        assert list(inspect.signature(function).parameters) == names.split(), function
    defaults = A.AdaptiveTargetDistribution()
    assert (defaults.alpha, defaults.beta, defaults.grad_norm, defaults.beta_update_step) == (1.0, 1.0, 1.0, 1e-4)
    assert A.TargetDistribution().do_gradient_scaling is False


def test_a_map_of_scores_keeps_its_shape_and_dtype():
    """The solver sees what theta is: here maps [4, 2] in double precision."""
    seen = []

    def solve(maps):
        seen.append(maps)
        return top(maps.flatten(1)).reshape(maps.shape).bool()  # of any dtype

    theta, w = random(B, 4, 2).double(), random(B * S, 4, 2, seed=1)
    z, grad = run(T.imle(solve, noise_distribution=A.GumbelNoiseDistribution(), nb_samples=S), theta, w)
    assert z.shape == (B * S, 4, 2) and z.dtype is torch.float64 and grad.shape == theta.shape and grad.any()
    assert all(maps.shape == (B * S, 4, 2) and maps.dtype is torch.float64 for maps in seen) and len(seen) == 2
    assert not any(maps.requires_grad for maps in seen)


def test_the_librarys_layers_stand_for_their_map():
    theta, w = random(B, N), random(B * S, N, seed=1)
    expected = run(T.imle(top, noise_distribution=Recorded(), nb_samples=S), theta, w)
    for layer in (lt.TopK(K), lt.TopK(K, samples=7).eval(), lt.Solver(top)):
        for left, right in zip(run(T.imle(layer, noise_distribution=Recorded(), nb_samples=S), theta, w), expected):
            assert torch.equal(left, right)


def test_select_k_gives_exactly_k_at_ties():
    for select in (A.select_k, A.mathias_select_k):
        assert torch.equal(select(torch.zeros(2, 5), 2), torch.tensor([[1.0, 1, 0, 0, 0]] * 2))


@pytest.mark.parametrize("alpha", [1.0, 0.0])
def test_a_mask_stays_a_mask(alpha):
    theta = random(B, N)
    theta[:, :4] = -torch.inf
    target = A.TargetDistribution(alpha, 100.0)
    for choose in (
        T.imle(top, target, Recorded(), S),
        A.aimle(top, target, Recorded(), S, symmetric_perturbation=True),
    ):
        z, grad = run(choose, theta, random(B * S, N, seed=1))
        assert not z[:, :4].any() and not grad[:, :4].any() and grad.any() and grad.isfinite().all()
    _, grad = run(A.aimle(top, A.AdaptiveTargetDistribution(), Recorded(), S), theta, random(B * S, N, seed=1))
    assert grad.isfinite().all()


def test_infinities_flow_through_and_leave_beta_alone():
    target = A.AdaptiveTargetDistribution()
    w = random(B, N)
    w[1, 2] = math.inf
    assert run(A.aimle(top, target), random(B, N), w)[1].isnan().all() and target.beta == 1.0


def test_a_retained_graph_gives_the_same_gradient_again_and_no_second_derivative():
    x = random(B, N).requires_grad_()
    z = T.imle(top, T.TargetDistribution(1.0, 5.0), T.SumOfGammaNoiseDistribution(K), S)(x)
    w = random(B * S, N, seed=1)
    first = torch.autograd.grad(z, x, w, retain_graph=True)[0]
    assert torch.equal(torch.autograd.grad(z, x, w, retain_graph=True)[0], first)
    with pytest.raises(RuntimeError):
        torch.autograd.grad(z, x, w, create_graph=True)[0].sum().backward()


def test_it_learns_a_subset():
    """The loss is the Hamming distance to a state, as in the examples of torch-imle."""
    torch.manual_seed(0)
    gold = torch.tensor([[0.0, 1, 0, 1, 0, 0, 1, 0]])
    theta = torch.zeros(1, N, requires_grad=True)
    choose = T.imle(top, T.TargetDistribution(1.0, 10.0), T.SumOfGammaNoiseDistribution(K), 10)
    optimizer = torch.optim.SGD([theta], 0.5)
    for _ in range(50):
        z = choose(theta)
        loss = (z * (1 - gold) + (1 - z) * gold).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert torch.equal(top(theta.detach()), gold)


# ---- errors ----

THETA = random(B, N)


@pytest.mark.parametrize(
    "call, argument, row",
    [
        (lambda: T.imle(top)([1.0]), "theta", ()),
        (lambda: T.imle(top)(THETA.long()), "theta", ()),
        (lambda: T.imle(top)(THETA[0]), "theta", ()),
        (lambda: T.imle(top)(THETA.index_fill(0, torch.tensor([3]), math.nan)), "theta", (3,)),
        (lambda: T.imle(top)(THETA.index_fill(0, torch.tensor([2]), math.inf)), "theta", (2,)),
        (lambda: T.imle(lambda scores: scores[:1])(THETA), "function", ()),
        (lambda: T.imle(lambda scores: None)(THETA), "function", ()),
        (lambda: T.imle(3), "function", ()),
        (lambda: T.imle(lt.TopK(N + 1))(THETA), "k", ()),
        (lambda: T.imle(top, nb_samples=0), "nb_samples", ()),
        (lambda: T.imle(top, nb_samples=1.5), "nb_samples", ()),
        (lambda: A.aimle(top, nb_marginal_samples=0), "nb_marginal_samples", ()),
        (lambda: T.imle(top, noise_distribution=torch.randn), "noise_distribution", ()),
        (lambda: T.imle(top, target_distribution=1.0), "target_distribution", ()),
        (lambda: T.imle(top, input_noise_temperature=-1.0), "input_noise_temperature", ()),
        (lambda: T.imle(top, target_noise_temperature=math.nan), "target_noise_temperature", ()),
        (lambda: A.aimle(top, theta_noise_temperature=-1.0), "theta_noise_temperature", ()),
        (lambda: A.ste(top, noise_temperature="warm"), "noise_temperature", ()),
        (lambda: A.imle(top, _gradient_save_path="x"), "_gradient_save_path", ()),
        (lambda: T.TargetDistribution(alpha=math.inf), "alpha", ()),
        (lambda: T.TargetDistribution(beta=-1.0), "beta", ()),
        (lambda: A.AdaptiveTargetDistribution(initial_beta=-1.0), "initial_beta", ()),
        (lambda: A.AdaptiveTargetDistribution(grad_norm_decay_rate=1.5), "grad_norm_decay_rate", ()),
        (lambda: T.SumOfGammaNoiseDistribution(0.5), "k", ()),
        (lambda: T.SumOfGammaNoiseDistribution(70000), "k", ()),
        (lambda: T.SumOfGammaNoiseDistribution(5, 0), "nb_iterations", ()),
        (lambda: A.GumbelNoiseDistribution(0.0, -1.0), "scale", ()),
    ],
)
def test_errors_name_the_argument(call, argument, row):
    assert_refused(call, argument, row)


def test_noise_of_another_shape_is_refused():
    class Narrow:
        def sample(self, shape):
            return torch.zeros(shape[-1])

    with pytest.raises(libimle.Error, match="noise_distribution sampled"):
        T.imle(top, noise_distribution=Narrow())(THETA)

// Tests imle_torch.hpp: against imle.hpp bit for bit, against enumerations in float64 that libtorch differentiates, and
// in the places where a layer that is made by hand goes wrong without a word. run.sh compiles this file as C++17 and
// C++20.

#include <cstdio>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "imle_torch.hpp"

namespace {

using at::Tensor;
namespace it = imle::torch;

int failures = 0;

void check(bool good, const char *what, int line) {
    if (!good) {
        std::printf("layer_test.cpp:%d: %s\n", line, what);
        failures++;
    }
}

#define EXPECT(condition) check((condition), #condition, __LINE__)

bool same(const Tensor &a, const Tensor &b) {
    return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() && at::equal(a, b);
}

// True if the call throws a c10::Error that has each of the words.
bool refuses(const std::function<void()> &call, const std::vector<std::string> &words) {
    try {
        call();
    } catch (const c10::Error &error) {
        const std::string message = error.what_without_backtrace();
        for (const std::string &word : words) {
            if (message.find(word) == std::string::npos) {
                std::printf("\"%s\" does not say \"%s\"\n", message.c_str(), word.c_str());
                return false;
            }
        }
        return true;
    }
    return false;
}

imle::span<float> floats(const Tensor &tensor) {
    return {tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

constexpr std::int64_t B = 6, N = 19, K = 4, S = 4;

it::settings the_settings(std::int64_t samples = S) {
    it::settings settings;
    settings.options.lambda(2).noise(imle::noise::logistic);
    settings.samples = samples;
    settings.reduction = it::reduction::sum;
    return settings;
}

const it::key KEY{3, 5, 0, {}};

// MAP by libtorch alone: ones at the k largest scores, which are all different.
Tensor best(const Tensor &scores, std::int64_t k) {
    return at::zeros_like(scores).scatter(-1, std::get<1>(scores.topk(k)), 1);
}

Tensor leaf(const Tensor &values) {
    return values.detach().clone().requires_grad_();
}

// The gradient of theta when z is handed this dz.
Tensor gradient(const Tensor &theta, const std::function<Tensor(const Tensor &)> &choose, const Tensor &dz) {
    const Tensor at = leaf(theta);
    choose(at).backward(dz);
    return at.grad();
}

// ---- the same bits as imle.hpp ----

void topk_is_imle_hpp() {
    const Tensor theta = at::randn({B, N}), dz = at::randn({B, S, N});
    const imle::topk layer(imle::shape().rows(B).n(N).k(K).samples(S), the_settings().options);
    const imle::key key = imle::key().seed(3).step(5);
    std::vector<float> work(layer.workspace_len());
    const Tensor z = at::empty({B, S, N}), grad = at::empty({B, N});
    std::vector<std::uint32_t> indices(B * S * K);
    EXPECT(layer.sample(key, floats(theta), {floats(z), indices}, work) == imle::status::ok);
    EXPECT(layer.gradient(key, floats(theta), imle::dz::per_sample(floats(dz)), indices, floats(grad), work) ==
           imle::status::ok);

    for (const int threads : {1, 3}) {
        at::set_num_threads(threads);
        const Tensor at = leaf(theta);
        const it::choice choice = it::topk(at, K, the_settings(), KEY);
        EXPECT(same(choice.z.detach(), z));
        EXPECT(choice.indices.sizes() == at::IntArrayRef({B, S, K}));
        EXPECT(same(choice.z.gather(2, choice.indices).detach(), at::ones({B, S, K})));
        choice.z.backward(dz);
        EXPECT(same(at.grad(), grad * static_cast<double>(S))); // S is a power of two, so this is exact
    }
    at::set_num_threads(2);
    // Many rows, so that they are cut.
    const Tensor many = at::randn({5000, N}), many_dz = at::randn({5000, S, N});
    const auto choose = [](const Tensor &theta) { return it::topk(theta, K, the_settings(), KEY).z; };
    const Tensor two = choose(many), two_grad = gradient(many, choose, many_dz);
    at::set_num_threads(1);
    EXPECT(same(choose(many), two));
    EXPECT(same(gradient(many, choose, many_dz), two_grad));
    at::set_num_threads(2);
}

constexpr std::int64_t WORDS = 5;

// All four kinds of trees.
std::vector<imle::tree_options> kinds() {
    std::vector<imle::tree_options> kinds;
    for (const bool projective : {false, true}) {
        for (const bool single_root : {false, true}) {
            kinds.push_back(imle::tree_options().projective(projective).single_root(single_root));
        }
    }
    return kinds;
}

// Values [B, ..., WORDS, WORDS], NaN beyond the words of a row, which is not to be read.
Tensor ragged(const Tensor &values, const Tensor &n_row) {
    const Tensor outside = at::arange(WORDS).ge(n_row.unsqueeze(1));
    const Tensor unread = outside.unsqueeze(1) | outside.unsqueeze(2);
    return values.masked_fill(values.dim() == 4 ? unread.unsqueeze(1) : unread, NAN);
}

void tree_is_imle_hpp() {
    const Tensor n_row = at::tensor({5, 2, 0, 1, 4, 5}, at::kLong), words = n_row.to(at::kInt);
    const Tensor theta = ragged(at::randn({B, WORDS, WORDS}), n_row),
                 dz = ragged(at::randn({B, S, WORDS, WORDS}), n_row);
    const imle::key key = imle::key().seed(3).step(5);
    for (const imle::tree_options &kind : kinds()) {
        const imle::shape shape = imle::shape().rows(B).n(WORDS * WORDS).k(WORDS).samples(S);
        imle::tree layer(shape, the_settings().options, kind);
        layer.n_row({reinterpret_cast<const std::uint32_t *>(words.data_ptr<std::int32_t>()), B});
        std::vector<float> work(layer.workspace_len());
        const Tensor z = at::empty({B, S, WORDS, WORDS}), grad = at::empty({B, WORDS, WORDS});
        std::vector<std::uint32_t> indices(B * S * WORDS);
        EXPECT(layer.sample(key, floats(theta), {floats(z), indices}, work) == imle::status::ok);
        EXPECT(layer.gradient(key, floats(theta), imle::dz::per_sample(floats(dz)), indices, floats(grad), work) ==
               imle::status::ok);

        const it::trees trees(kind, n_row);
        const Tensor at = leaf(theta);
        const it::choice choice = it::tree(at, trees, the_settings(), KEY);
        EXPECT(same(choice.z.detach(), z));
        const Tensor listed = at::from_blob(indices.data(), {B, S, WORDS}, at::kInt).to(at::kLong);
        EXPECT(same(choice.indices, listed));
        EXPECT(same(listed.ge(0).sum(-1), n_row.unsqueeze(1).expand({B, S})));
        choice.z.backward(dz);
        EXPECT(same(at.grad(), grad * static_cast<double>(S)));
        EXPECT(grad.count_nonzero().item<std::int64_t>() > 0);

        it::Tree module(kind, the_settings());
        EXPECT(same(module->forward(theta, n_row, KEY), z));
        module->eval();
        const Tensor map = at::empty({B, WORDS, WORDS});
        EXPECT(layer.map(floats(theta), {floats(map)}, work) == imle::status::ok);
        EXPECT(same(module->forward(theta, n_row).squeeze(1), map));
        EXPECT(same(it::straight_through(theta, trees, the_settings(), KEY).z, z));
        const auto down = [&](const Tensor &at) { return it::straight_through(at, trees, the_settings(), KEY).z; };
        EXPECT(gradient(theta, down, dz).allclose(dz.nan_to_num().sum(1), 1e-5, 1e-6));

        // The exact distribution, and the losses, read and write the words of a row only.
        imle::exact_tree exact(shape, 0.5F, kind);
        exact.n_row({reinterpret_cast<const std::uint32_t *>(words.data_ptr<std::int32_t>()), B});
        std::vector<float> exact_work(exact.workspace_len());
        const Tensor mu = at::empty({B, WORDS, WORDS});
        EXPECT(exact.marginals(floats(theta), {floats(mu)}, exact_work) == imle::status::ok);
        EXPECT(same(it::Marginals(trees, 0.5F)->forward(theta), mu));
        const it::choice drawn = it::sample(theta, trees, S, 0.5F, KEY);
        EXPECT(same(it::Simple(trees, S, 0.5F)->forward(theta, KEY), drawn.z));
        const Tensor other = ragged(at::randn({B, WORDS, WORDS}), n_row), losses = at::randn({B, S});
        const std::vector<std::function<Tensor(const Tensor &)>> results = {
            [&](auto &theta) { return it::marginals(theta, trees) * at::randn({B, WORDS, WORDS}); },
            [&](auto &theta) { return it::entropy(theta, trees); },
            [&](auto &theta) { return it::log_partition(theta, trees); },
            [&](auto &theta) { return it::log_prob(theta, trees, drawn.indices); },
            [&](auto &theta) { return it::kl(theta, other, trees) + 2 * it::kl(other, theta, trees); },
            [&](auto &theta) { return it::score_function(theta, trees, drawn.indices, losses); },
            [&](auto &theta) { return it::unbiased_simple(theta, trees, drawn.indices, dz, losses); },
            [&](auto &theta) { return it::fenchel_young(theta, drawn.z.mean(1), trees, the_settings(), KEY); },
        };
        for (const auto &result : results) {
            const Tensor at = leaf(theta);
            result(at).sum().backward();
            EXPECT(at.grad().isfinite().all().item<bool>());
            EXPECT(at.grad().masked_select(theta.isnan()).eq(0).all().item<bool>());
            EXPECT(at.grad().count_nonzero().item<std::int64_t>() > 0);
        }
    }
    // Leading dimensions are rows, and one word is a tree.
    const Tensor many = at::randn({2, 3, 1, 1});
    EXPECT(same(it::tree(many).z, at::ones({2, 3, 1, 1})));
    EXPECT(it::tree(many).indices.sizes() == at::IntArrayRef({2, 3, 1}));
    EXPECT(it::tree(at::randn({2, 3, 4, 4}), it::trees(), the_settings()).z.sizes() ==
           at::IntArrayRef({2, 3, S, 4, 4}));
}

// A ragged batch adapts lambda as the same arcs do in matrices of their own size.
void lambda_adapts_to_the_words_of_a_row() {
    const Tensor theta = at::randn({B, 3, 3}), dz = at::randn({B, S, 3, 3}), n_row = at::full({B}, 3, at::kLong);
    const auto padded = [&](const Tensor &values) {
        return ragged(at::constant_pad_nd(values, {0, WORDS - 3, 0, WORDS - 3}), n_row);
    };
    std::vector<Tensor> states, grads;
    for (const bool wide : {false, true}) {
        it::settings settings = the_settings();
        settings.options.noise(imle::noise::none);
        settings.adaptive = it::Adaptive();
        const Tensor at = leaf(wide ? padded(theta) : theta);
        const it::trees trees({}, wide ? n_row : Tensor());
        it::tree(at, trees, settings, KEY).z.backward(wide ? padded(dz) : dz);
        states.push_back(settings.adaptive->buffers()[0]);
        grads.push_back(at.grad().slice(1, 0, 3).slice(2, 0, 3));
    }
    EXPECT(same(states[0], states[1]) && same(grads[0], grads[1]));
    EXPECT(!same(states[0], it::Adaptive()->buffers()[0]));
}

void leading_dimensions_are_rows() {
    const Tensor theta = at::randn({2, 3, N});
    it::settings one = the_settings();
    one.samples.reset();
    const Tensor z = it::topk(theta, K, one, KEY).z;
    EXPECT(same(z.reshape({B, N}), it::topk(theta.reshape({B, N}), K, one, KEY).z));
    EXPECT(it::topk(theta, K, the_settings(), KEY).z.sizes() == at::IntArrayRef({2, 3, S, N}));
    EXPECT(it::topk(theta[0][0], K, one, KEY).z.sizes() == at::IntArrayRef({N}));
    for (const auto &empty : {at::empty({0, N}), at::empty({2, 0, N})}) {
        const Tensor at = leaf(empty);
        const it::choice none = it::topk(at, K, the_settings(), KEY);
        EXPECT(none.z.numel() == 0 && none.z.size(-1) == N && none.indices.size(-1) == K);
        none.z.sum().backward();
        EXPECT(at.grad().sizes() == empty.sizes());
    }
    const Tensor k = at::tensor({1, 0, 4, 19, 2, 3}, at::kLong).view({2, 3});
    const it::choice choice = it::topk(theta, k, one, KEY);
    EXPECT(same(choice.z.sum(-1).to(at::kLong), k));
    EXPECT(same((choice.indices >= 0).sum(-1), k));
    EXPECT(same(it::argmax(theta, one, KEY).z, it::topk(theta, 1, one, KEY).z));
}

// ---- traps ----

void a_mean_is_undone() {
    const Tensor theta = at::randn({8, N}), weights = at::randn({8, S, N});
    for (const auto target : {imle::target::linear, imle::target::combinatorial}) {
        for (const auto scale : {imle::scale::inverse_lambda, imle::scale::none}) {
            it::settings settings = the_settings();
            settings.options.target(target).scale(scale);
            const Tensor sum = leaf(theta), mean = leaf(theta), naive = leaf(theta);
            it::topk(sum, K, settings, KEY).z.backward(weights);
            const Tensor dz = weights / static_cast<double>(8 * S); // what loss.mean() hands back
            it::topk(naive, K, settings, KEY).z.backward(dz);
            settings.reduction = it::reduction::mean;
            it::topk(mean, K, settings, KEY).z.backward(dz);
            EXPECT(same(mean.grad() * static_cast<double>(8 * S), sum.grad())); // powers of two, so exact
            EXPECT(sum.grad().count_nonzero().item<std::int64_t>() > 40);
            settings.loss_scale = 1024; // of a gradient scaler
            const Tensor scaled = leaf(theta);
            it::topk(scaled, K, settings, KEY).z.backward(dz * 1024);
            EXPECT(same(scaled.grad(), mean.grad() * 1024));
            EXPECT(!same(naive.grad() * static_cast<double>(8 * S), sum.grad()));
        }
    }
}

void the_generator_names_the_noise() {
    const Tensor theta = at::zeros({B, N});
    const auto choose = [&] { return it::topk(theta, K).z; };
    torch::manual_seed(1);
    const Tensor first = choose(), second = choose();
    EXPECT(!same(first, second));
    torch::manual_seed(1);
    EXPECT(same(choose(), first) && same(choose(), second));
}

void noise_follows_the_rows() {
    const Tensor theta = at::randn({B, N}), order = at::tensor({4, 1, 5, 0, 3, 2});
    const Tensor all = it::topk(theta, K, the_settings(), KEY).z;
    it::key key = KEY;
    key.row_ids = order;
    EXPECT(same(it::topk(theta.index_select(0, order), K, the_settings(), key).z, all.index_select(0, order)));
    key = KEY;
    key.row0 = 2;
    EXPECT(same(it::topk(theta.slice(0, 2), K, the_settings(), key).z, all.slice(0, 2)));
}

void layouts_and_types_change_nothing() {
    const Tensor theta = at::randn({B, N}).to(at::kBFloat16).to(at::kFloat),
                 dz = at::randint(-4, 4, {B, S, N}).to(at::kFloat);
    const auto choose = [](const Tensor &theta) { return it::topk(theta, K, the_settings(), KEY).z; };
    const Tensor z = choose(theta), grad = gradient(theta, choose, dz);
    EXPECT(same(choose(theta.t().contiguous().t()), z));                                          // columns in memory
    EXPECT(same(choose(at::cat({theta, theta}, 1).slice(1, 0, N)), z));                           // gaps between rows
    EXPECT(same(gradient(theta, choose, dz.transpose(0, 1).contiguous().transpose(0, 1)), grad)); // [S][B][N] in memory
    EXPECT(same(gradient(theta, choose, at::cat({dz, dz}, 2).slice(2, 0, N)), grad));
    EXPECT(same(gradient(theta, choose, at::ones({}).expand({B, S, N})), gradient(theta, choose, at::ones({B, S, N}))));
    const Tensor shared = dz.slice(1, 0, 1).expand({B, S, N});
    EXPECT(same(gradient(theta, choose, shared), gradient(theta, choose, shared.contiguous())));
    EXPECT(same(choose(theta[0].expand({B, N})), choose(theta[0].repeat({B, 1}))));
    for (const auto type : {at::kDouble, at::kBFloat16, at::kHalf}) {
        EXPECT(same(choose(theta.to(type)), z.to(type)));
        EXPECT(gradient(theta.to(type), choose, dz.to(type)).allclose(grad.to(type)));
    }
}

void a_dz_that_is_not_finite_is_passed_on() {
    const Tensor theta = at::randn({B, N}), dz = at::randn({B, S, N});
    Tensor bad = dz.clone();
    bad[2][1][7] = INFINITY;
    bad[4][0][0] = NAN;
    const std::vector<std::function<Tensor(const Tensor &)>> choices = {
        [](const Tensor &theta) { return it::topk(theta, K, the_settings(), KEY).z; },
        [](const Tensor &theta) { return it::simple(theta, K, S, 1, KEY).z; },
        [](const Tensor &theta) { return it::straight_through(theta, K, the_settings(), KEY).z; },
        [](const Tensor &theta) {
        return it::solve(theta, [](const Tensor &scores) { return best(scores, K); }, the_settings(), KEY);
    },
    };
    for (const auto &choose : choices) {
        Tensor expected = gradient(theta, choose, dz);
        expected[2] = NAN;
        expected[4] = NAN;
        EXPECT(gradient(theta, choose, bad).equal(expected) ||
               gradient(theta, choose, bad).allclose(expected, 0, 0, true));
    }
}

void bad_arguments_are_named() {
    const Tensor theta = at::randn({2, 3, N});
    const auto choose = [](const Tensor &theta, const it::states &k) { it::topk(theta, k); };
    Tensor bad = theta.clone();
    bad[1][1][3] = NAN;
    EXPECT(refuses([&] { choose(bad, K); }, {"theta", "NaN", "row 4", "[1, 1]"}));
    bad[1][1] = -INFINITY;
    EXPECT(refuses([&] { choose(bad, K); }, {"theta", "masked", "row 4"}));
    EXPECT(refuses([&] { choose(theta, 20); }, {"k:", "20", "19"}));
    EXPECT(refuses([&] { choose(theta, -1); }, {"k:", "-1"}));
    EXPECT(refuses([&] { choose(theta, at::tensor({1, 2, 3})); }, {"k:", "leading"}));
    EXPECT(refuses([&] { choose(theta, at::tensor({1, 2, 3, 4, 40, 6}).view({2, 3})); }, {"k:", "40", "row 4"}));
    EXPECT(refuses([&] { choose(theta.to(at::kLong), K); }, {"theta", "floating"}));
    EXPECT(refuses([&] { choose(at::empty({3, 0}), 0); }, {"theta", "at least one"}));
    EXPECT(refuses([&] { choose(at::Tensor(), 0); }, {"theta"}));
    it::settings settings;
    settings.samples = 0;
    EXPECT(refuses([&] { it::topk(theta, K, settings); }, {"samples", "0"}));
    settings.samples = 1;
    settings.options.lambda(-1);
    EXPECT(refuses([&] { it::topk(theta, K, settings); }, {"settings"}));
    it::key key = KEY;
    key.row_ids = at::arange(4);
    EXPECT(refuses([&] { it::topk(theta, K, {}, key); }, {"row_ids"}));
    EXPECT(
        refuses([&] { it::solve(theta, [](const Tensor &scores) { return scores[0]; }); }, {"solver", "dimensions"}));
    EXPECT(refuses([&] { it::solve(theta, [](const Tensor &scores) { return scores; }); },
                   {"solver", "zeros and ones", "row 0"}));
    EXPECT(refuses([&] { it::fenchel_young(theta, theta[0], K); }, {"y:"}));
    EXPECT(refuses([&] { it::fenchel_young(theta, bad * 0, K); }, {"y:", "row 4"}));
    EXPECT(refuses([&] { it::log_prob(theta, K, at::zeros({2, 3, K}, at::kLong)); }, {"indices"}));
    EXPECT(refuses([&] { it::marginals(theta, K, 0); }, {"temperature"}));

    const Tensor arcs = at::randn({2, 3, WORDS, WORDS});
    EXPECT(refuses([&] { it::tree(theta); }, {"theta", "words, words"}));
    EXPECT(refuses([&] { it::tree(at::randn({4})); }, {"theta", "words, words"}));
    EXPECT(refuses([&] { it::tree(arcs, it::trees({}, at::tensor({1, 2, 3}))); }, {"n_row:", "leading"}));
    EXPECT(refuses([&] { it::tree(arcs, it::trees({}, at::full({2, 3}, 6, at::kLong))); }, {"n_row:", "6", "row 0"}));
    EXPECT(refuses([&] { it::tree(arcs, it::trees({}, at::full({2, 3}, 2.0))); }, {"n_row:", "integers"}));
    Tensor wrong = arcs.clone();
    wrong[1][0][1][2] = NAN;
    EXPECT(refuses([&] { it::tree(wrong); }, {"theta", "NaN", "row 3", "[1, 0]"}));
    wrong[1][0] = at::zeros({WORDS, WORDS});
    wrong[1][0].select(1, 2).fill_(-INFINITY); // no arc into word 2
    EXPECT(refuses([&] { it::tree(wrong); }, {"theta", "no tree", "row 3"}));
    EXPECT(refuses([&] { it::marginals(wrong, it::trees()); }, {"theta", "no tree", "row 3"}));
    EXPECT(refuses([&] { it::log_prob(arcs, it::trees(), at::zeros({2, 3, WORDS}, at::kLong)); }, {"indices"}));

    // theta is overwritten before the backward pass.
    const Tensor at = leaf(theta);
    const Tensor held = at * 1;
    const Tensor z = it::topk(held, K).z;
    held.add_(1);
    EXPECT(refuses([&] { z.sum().backward(); }, {"modified by an inplace operation"}));
    const Tensor again = it::topk(at, K).z;
    EXPECT(refuses([&] {
        torch::autograd::grad({(again * at).sum()}, {at}, {}, true, true)[0].sum().backward();
        torch::autograd::grad({(again * again).sum()}, {at}, {}, true, true);
    }, {"no second derivatives"}));
}

void a_mode_of_the_processor_changes_nothing() {
    const Tensor theta = at::randn({B, N}) * 1e-39, dz = at::randn({B, S, N}) * 1e-39;
    it::settings settings = the_settings();
    settings.options.temperature(1e-39F).target_temperature(1e-39F);
    const auto choose = [&](const Tensor &theta) { return it::topk(theta, K, settings, KEY).z; };
    const Tensor z = choose(theta), grad = gradient(theta, choose, dz);
    if (at::globalContext().setFlushDenormal(true)) {
        const Tensor flushed = choose(theta);
        at::globalContext().setFlushDenormal(false);
        EXPECT(same(flushed, z));
    }
    EXPECT(grad.isfinite().all().item<bool>());
}

// ---- own solver ----

void a_solver_for_subsets_is_topk() {
    const Tensor theta = at::randn({2, 3, N}), dz = at::randn({2, 3, S, N});
    const it::solver solver = [](const Tensor &scores) { return best(scores, K); };
    for (const auto difference : {imle::difference::forward, imle::difference::central}) {
        it::settings settings = the_settings();
        settings.options.difference(difference);
        const auto own = [&](const Tensor &theta) { return it::solve(theta, solver, settings, KEY); };
        const auto topk = [&](const Tensor &theta) { return it::topk(theta, K, settings, KEY).z; };
        EXPECT(same(own(theta), topk(theta)));
        EXPECT(same(gradient(theta, own, dz), gradient(theta, topk, dz)));
    }
}

// ---- lambda ----

void lambda_adapts_as_in_imle_hpp() {
    imle::adaptive by_hand;
    it::settings settings = the_settings();
    settings.reduction = it::reduction::mean;
    settings.adaptive = it::Adaptive();
    it::TopK choice(K, settings);
    const imle::topk layer(imle::shape().rows(8).n(N).k(K).samples(S), settings.options);
    std::vector<float> work(layer.workspace_len());
    const Tensor grad = at::empty({8, N});
    for (std::uint64_t step = 0; step < 5; step++) {
        const Tensor theta = at::randn({8, N}), dz = at::randn({8, S, N}) / static_cast<double>(8 * S);
        const it::key key{3, step, 0, {}};
        float lambda = 0;
        EXPECT(by_hand.lambda(floats(theta), floats(dz), lambda) == imle::status::ok);
        imle::diagnostics counts{};
        const imle::topk now(imle::shape().rows(8).n(N).k(K).samples(S),
                             imle::options(settings.options).lambda(lambda));
        EXPECT(now.gradient(imle::key().seed(3).step(step), floats(theta), imle::dz::per_sample(floats(dz)), {},
                            floats(grad), work, &counts) == imle::status::ok);
        EXPECT(by_hand.update(counts) == imle::status::ok);
        const Tensor at = leaf(theta);
        const Tensor z = choice->forward(at, key);
        z.backward(dz, true);
        EXPECT(same(at.grad(), grad * static_cast<double>(S)));
        const float a = settings.adaptive->buffers()[0][0].item<float>();
        EXPECT(a == by_hand.c().a);
        z.backward(dz); // once more through the same graph
        EXPECT(settings.adaptive->buffers()[0][0].item<float>() == a);
    }
    EXPECT(by_hand.c().a != imle::adaptive().c().a);

    std::stringstream saved;
    torch::save(choice, saved);
    it::settings fresh = the_settings();
    fresh.adaptive = it::Adaptive();
    it::TopK loaded(K, fresh);
    torch::load(loaded, saved);
    EXPECT(fresh.adaptive->buffers()[0][0].item<float>() == by_hand.c().a);

    // In eval mode nothing adapts, and a dz of zeros or NaN changes nothing.
    const auto state = [&] { return settings.adaptive->buffers()[0].clone(); };
    const Tensor before = state();
    const Tensor theta = at::randn({8, N});
    const auto choose = [&](const Tensor &theta) { return choice->forward(theta, KEY); };
    EXPECT(same(gradient(theta, choose, at::zeros({8, S, N})), at::zeros({8, N})));
    EXPECT(gradient(theta, choose, at::full({8, S, N}, NAN)).isnan().all().item<bool>());
    EXPECT(same(state(), before));
    choice->eval();
    gradient(theta, choose, at::randn({8, 1, N}));
    EXPECT(same(state(), before));

    // Two processes with half of the rows each adapt as one.
    Tensor parts;
    int call = 0;
    it::settings halves = the_settings();
    halves.adaptive = it::Adaptive(imle::adaptive(), [&](Tensor &tensor) {
        tensor.mul_(2);
        call++;
    });
    const Tensor half = at::randn({4, N}), half_dz = at::randn({4, S, N});
    gradient(half, [&](const Tensor &theta) { return it::topk(theta, K, halves, KEY).z; }, half_dz);
    EXPECT(call == 2);
}

void eval_is_map() {
    const Tensor theta = at::randn({B, N});
    it::TopK choice(K, the_settings());
    choice->eval();
    torch::manual_seed(7);
    const Tensor z = choice->forward(theta);
    EXPECT(same(z, best(theta, K).unsqueeze(1)));
    const Tensor after = at::rand({3});
    torch::manual_seed(7);
    EXPECT(same(at::rand({3}), after)); // nothing was taken from the generator
}

// ---- exact distributions, against enumerations in float64 ----

// The states of 3 of 6, [20, 6].
Tensor subsets() {
    std::vector<Tensor> states;
    for (int bits = 0; bits < 64; bits++) {
        Tensor z = at::zeros({6}, at::kDouble);
        for (int i = 0; i < 6; i++) {
            z[i] = bits >> i & 1;
        }
        if (z.sum().item<double>() == 3) {
            states.push_back(z);
        }
    }
    return at::stack(states);
}

// The trees of one kind over 3 words, [.., 9], from the definition.
Tensor trees_of_three(const imle::tree_options &kind) {
    std::vector<Tensor> states;
    for (int code = 0; code < 27; code++) {
        const int heads[3] = {code % 3, code / 3 % 3, code / 9};
        const auto has_root = [&](int word) { // it, its head, or the head of that
            const int head = heads[word], above = heads[head];
            return head == word || above == head || heads[above] == above;
        };
        int roots = 0;
        bool tree = true;
        for (int word = 0; word < 3; word++) {
            roots += heads[word] == word;
            tree = tree && has_root(word);
        }
        // The only word between two others is 1: an arc over it crosses another unless 1 is below its head.
        const auto below = [&](int head) { return heads[1] == head || (heads[1] != 1 && heads[heads[1]] == head); };
        const bool crosses = (heads[2] == 0 && !below(0)) || (heads[0] == 2 && !below(2));
        if (tree && !(kind.c().single_root && roots != 1) && !(kind.c().projective && crosses)) {
            Tensor z = at::zeros({3, 3}, at::kDouble);
            for (int word = 0; word < 3; word++) {
                z[heads[word]][word] = 1;
            }
            states.push_back(z.flatten());
        }
    }
    return at::stack(states);
}

// z are all states, [.., N], and `row` the dimensions of a row of theta.
void exact_distribution_is_enumeration(const it::states &k, const Tensor &z, std::vector<std::int64_t> row) {
    constexpr float T = 0.7F;
    row.insert(row.begin(), 4);
    const Tensor values = at::randn(row, at::kDouble), others = at::randn(row, at::kDouble);
    const auto scores = [&](const Tensor &theta) { return theta.flatten(1).matmul(z.t()) / T; };
    const auto log_p = [&](const Tensor &theta) { return scores(theta).log_softmax(1); };
    const auto mean = [&](const Tensor &theta) { return log_p(theta).exp().matmul(z).view(row); };
    const it::choice drawn = it::sample(values, k, 5, T, KEY);
    const auto enumerated_log_prob = [&](const Tensor &theta) {
        return (drawn.z * theta.unsqueeze(1)).flatten(2).sum(-1) / T - scores(theta).logsumexp(1, true);
    };
    struct Case {
        const char *name;
        std::function<Tensor(const Tensor &, const Tensor &)> library, enumerated;
    };
    const std::vector<Case> cases = {
        {"marginals", [&](auto &theta, auto &) { return it::marginals(theta, k, T); },
         [&](auto &theta, auto &) { return mean(theta); }},
        {"log_partition", [&](auto &theta, auto &) { return it::log_partition(theta, k, T); },
         [&](auto &theta, auto &) { return scores(theta).logsumexp(1); }},
        {"entropy", [&](auto &theta, auto &) { return it::entropy(theta, k, T); },
         [&](auto &theta, auto &) { return -(log_p(theta).exp() * log_p(theta)).sum(1); }},
        {"log_prob", [&](auto &theta, auto &) { return it::log_prob(theta, k, drawn.indices, T); },
         [&](auto &theta, auto &) { return enumerated_log_prob(theta); }},
        {"kl", [&](auto &theta, auto &other) { return it::kl(theta, other, k, T); },
         [&](auto &theta, auto &other) { return (log_p(theta).exp() * (log_p(theta) - log_p(other))).sum(1); }},
    };
    for (const Case &one : cases) {
        const Tensor a = leaf(values), b = leaf(values), a_other = leaf(others), b_other = leaf(others);
        const Tensor got = one.library(a, a_other), expected = one.enumerated(b, b_other);
        const Tensor weights = at::randn(expected.sizes(), at::kDouble);
        (got * weights).sum().backward();
        (expected * weights).sum().backward();
        const bool other_agrees = !b_other.grad().defined() || a_other.grad().allclose(b_other.grad(), 1e-4, 1e-5);
        const bool agrees =
            got.allclose(expected, 1e-5, 1e-5) && a.grad().allclose(b.grad(), 1e-4, 1e-5) && other_agrees;
        if (!agrees) {
            std::printf("%s is not what enumeration gives\n", one.name);
        }
        EXPECT(agrees);
    }

    // SIMPLE: the covariance times the sum of dz.
    const Tensor dz = at::randn(drawn.z.sizes(), at::kDouble);
    const Tensor a = leaf(values), b = leaf(values);
    it::simple(a, k, 5, T, KEY).z.backward(dz);
    mean(b).backward(dz.sum(1));
    EXPECT(a.grad().allclose(b.grad(), 1e-4, 1e-5));
    EXPECT(same(it::simple(values, k, 5, T, KEY).z, drawn.z));

    // The score function and unbiased SIMPLE of a linear loss, by their formulas.
    const Tensor mu = mean(values), w = at::randn(row, at::kDouble)[0];
    const Tensor losses = (drawn.z * w).flatten(2).sum(-1);
    const auto leave_one_out = [&](const Tensor &losses) {
        const Tensor baseline = (losses.sum(1, true) - losses) / 4.0;
        const Tensor differences = (drawn.z - mu.unsqueeze(1)).flatten(2);
        return ((losses - baseline).unsqueeze(2) * differences).mean(1).view(row) / T;
    };
    const Tensor c = leaf(values), given = leaf(losses);
    const Tensor loss = it::score_function(c, k, drawn.indices, given, T);
    EXPECT(loss.allclose(losses.mean(1), 1e-5, 1e-6));
    loss.sum().backward();
    EXPECT(c.grad().allclose(leave_one_out(losses), 1e-4, 1e-5));
    EXPECT(given.grad().allclose(at::full({4, 5}, 0.2, at::kDouble)));
    // A linear loss is explained by its dz, so the unbiased form is exact: Cov(z) w / T.
    const Tensor d = leaf(values), e = leaf(values);
    it::unbiased_simple(d, k, drawn.indices, w.expand(drawn.z.sizes()), losses, T).sum().backward();
    mean(e).backward(w.expand(row));
    EXPECT(d.grad().allclose(e.grad(), 1e-3, 1e-5));
}

void exact_distributions_are_enumerations() {
    exact_distribution_is_enumeration(3, subsets(), {6});
    std::vector<std::int64_t> numbers; // of trees: Cayley's 4^2 and 3^2, and 12 and 7 projective ones
    for (const imle::tree_options &kind : kinds()) {
        const Tensor z = trees_of_three(kind);
        numbers.push_back(z.size(0));
        exact_distribution_is_enumeration(it::trees(kind), z, {3, 3});
    }
    EXPECT(numbers == std::vector<std::int64_t>({16, 9, 12, 7}));
}

void fenchel_young_has_its_gradient() {
    const Tensor theta = at::randn({B, N}), y = best(at::randn({B, N}), K), weights = at::randn({B});
    it::settings settings = the_settings();
    const Tensor at = leaf(theta);
    const Tensor loss = it::fenchel_young(at, y, K, settings, KEY);
    loss.backward(weights);
    const Tensor mean = it::topk(theta, K, settings, KEY).z.mean(1);
    EXPECT(at.grad().allclose((mean - y) * weights.unsqueeze(1), 1e-5, 1e-6));
    it::FenchelYoung module(K, settings);
    EXPECT(module->forward(theta, y, KEY).allclose(loss.sum()));
    module->settings.reduction = it::reduction::mean;
    EXPECT(module->forward(theta, y, KEY).allclose(loss.mean()));
}

void modules_are_their_functions() {
    const Tensor theta = at::randn({B, N});
    EXPECT(same(it::Argmax(the_settings())->forward(theta, KEY), it::argmax(theta, the_settings(), KEY).z));
    EXPECT(same(it::Simple(K, S, 0.5F)->forward(theta, KEY), it::simple(theta, K, S, 0.5F, KEY).z));
    EXPECT(same(it::Marginals(K, 0.5F)->forward(theta), it::marginals(theta, K, 0.5F)));
    const it::solver solver = [](const Tensor &scores) { return best(scores, K); };
    EXPECT(same(it::Solver(solver, the_settings())->forward(theta, KEY), it::topk(theta, K, the_settings(), KEY).z));
    torch::nn::Sequential net(torch::nn::Linear(3, N), it::TopK(K));
    EXPECT(same(net->forward(at::randn({B, 3})).sum(1), at::full({B}, static_cast<float>(K))));
}

} // namespace

int main() {
    torch::manual_seed(0);
    topk_is_imle_hpp();
    tree_is_imle_hpp();
    lambda_adapts_to_the_words_of_a_row();
    leading_dimensions_are_rows();
    a_mean_is_undone();
    the_generator_names_the_noise();
    noise_follows_the_rows();
    layouts_and_types_change_nothing();
    a_dz_that_is_not_finite_is_passed_on();
    bad_arguments_are_named();
    a_mode_of_the_processor_changes_nothing();
    a_solver_for_subsets_is_topk();
    lambda_adapts_as_in_imle_hpp();
    eval_is_map();
    exact_distributions_are_enumerations();
    fenchel_young_has_its_gradient();
    modules_are_their_functions();
    std::printf(failures == 0 ? "all passed\n" : "%d failed\n", failures);
    return failures == 0 ? 0 : 1;
}

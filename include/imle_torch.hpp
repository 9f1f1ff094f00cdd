// imle_torch.hpp: Implicit MLE for libtorch (1.13 and 2.x, C++17 and later), a header-only layer over imle.hpp.
//
//     const auto z = imle::torch::topk(theta, 10).z;           // [..., N] -> [..., N], exactly 10 ones a row
//     predictor(z * words).mean().backward();                  // the gradient of Implicit MLE arrives at theta
//
//     imle::torch::TopK choice(imle::torch::TopKOptions(10));  // the same as a module: in eval mode it is MAP(theta)
//
// Choices with a gradient: topk, argmax, tree and solve (your own solver) by Implicit MLE, simple by the exact
// covariance (SIMPLE), straight_through by handing dz down. Losses: fenchel_young, score_function, unbiased_simple.
// Exact distributions on k-subsets: sample, marginals, log_partition, entropy, log_prob, kl. All of these are
// differentiable functions; TopK, Argmax, Tree, Solver, Simple, Marginals and FenchelYoung are modules, and Adaptive
// finds lambda. imle.h has the formulas.
//
// Whatever takes k takes dependency trees, too: marginals(theta, imle::torch::trees()). Read words, words for N then.
//
// Rules that hold for all of them:
// - theta is [..., N] of any floating type; the leading dimensions are rows, of which there may be none. -inf is a
//   mask. The arithmetic is float32 on the CPU: other types and devices are converted, and results come back as theta
//   came.
// - settings.samples = S puts a dimension of samples before the last: z is [..., S, N]. Without it there is one sample,
//   and z is [..., N].
// - lambda is in units of theta per unit of a row's own dz. loss.mean() divides dz by the number of rows and samples,
//   which the layer makes good: it takes the dz that it is handed times that number, and hands back the gradient of the
//   loss as it is. Set reduction::sum if your loss is a sum.
// - Noise comes from libtorch's generator for the CPU, so that torch::manual_seed names it, or from the key that you
//   pass. Rows of a shuffled or distributed batch have the noise of their row_ids.
// - Rows are spread over at::parallel_for. The bits depend neither on the threads nor on the cut.
// - A bad argument is a c10::Error that names the argument, and the row where one is at fault. A dz that is not finite
//   is no error: the gradient of its row is NaN, so that a gradient scaler can skip the step.
// - There are no second derivatives: asking for one is a c10::Error.

#ifndef IMLE_TORCH_HPP
#define IMLE_TORCH_HPP

#include "imle.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace imle {
namespace torch {

using at::Tensor;
namespace nn = ::torch::nn; // TORCH_MODULE looks for it here

// ---- arguments ----

/// How the loss adds up over rows and samples: as loss.mean() or as loss.sum().
enum class reduction { mean, sum };

/// Finds lambda = a ||theta|| / ||dz|| by adapting a from one backward pass to the next, as imle::adaptive does. Its
/// state is a buffer, so it is saved with the module that it belongs to. In eval mode a is frozen.
class AdaptiveImpl : public ::torch::nn::Module {
public:
    /// Sums a tensor over all processes of a distributed run, in place.
    using all_reduce = std::function<void(Tensor &)>;

    /// Starts from the rule, the settings and the state of `initial`.
    explicit AdaptiveImpl(const imle::adaptive &initial = {}, all_reduce sum = {})
        : initial_(initial), sum_(std::move(sum)),
          state_(register_buffer("state", at::tensor({initial.c().a, initial.c().g, initial.c().previous}))) {}

    /// lambda for this theta and dz, contiguous float32 tensors on the CPU; 0 if dz is 0, NaN if it is not finite.
    float lambda(const Tensor &theta, const Tensor &dz) const {
        imle::adaptive_parts parts;
        const bool finite = parts.add(floats(theta), floats(dz)) == imle::status::ok;
        imle_adaptive_parts all = parts.c();
        if (!finite) {
            all.dz_squared = NAN; // for all processes
        }
        if (sum_) {
            Tensor sums = at::tensor({all.theta_squared, all.dz_squared, static_cast<double>(all.theta_len),
                                      static_cast<double>(all.theta_nonzero)},
                                     at::kDouble);
            sum_(sums);
            const double *const sum = sums.data_ptr<double>();
            all = {sum[0], sum[1], static_cast<std::uint64_t>(sum[2]), static_cast<std::uint64_t>(sum[3])};
        }
        if (std::isnan(all.dz_squared)) {
            return NAN;
        }
        float lambda = 0;
        check(now().lambda_from(imle::adaptive_parts(all), lambda));
        return lambda;
    }

    /// Adapts a to the states that a gradient with this lambda has compared.
    void update(const imle::diagnostics &counts) {
        if (!is_training()) {
            return;
        }
        imle::diagnostics all = counts;
        if (sum_) {
            Tensor sums = at::tensor({static_cast<std::int64_t>(all.states), static_cast<std::int64_t>(all.unchanged),
                                      static_cast<std::int64_t>(all.nonzeros)},
                                     at::kLong);
            sum_(sums);
            const std::int64_t *const sum = sums.data_ptr<std::int64_t>();
            all = {static_cast<std::uint64_t>(sum[0]), static_cast<std::uint64_t>(sum[1]),
                   static_cast<std::uint64_t>(sum[2])};
        }
        imle::adaptive next = now();
        check(next.update(all));
        const at::NoGradGuard no_grad;
        state_.copy_(at::tensor({next.c().a, next.c().g, next.c().previous}));
    }

private:
    static imle::span<const float> floats(const Tensor &tensor) {
        return {tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
    }
    static void check(imle::status status) {
        TORCH_CHECK(status == imle::status::ok, "adaptive: ", imle::message(status));
    }
    imle::adaptive now() const {
        const Tensor state = state_.to(at::kCPU, at::kFloat);
        imle_adaptive c = initial_.c();
        c.a = state[0].item<float>();
        c.g = state[1].item<float>();
        c.previous = state[2].item<float>();
        return imle::adaptive(c);
    }

    imle::adaptive initial_;
    all_reduce sum_;
    Tensor state_; // a, g and the last change of a
};
TORCH_MODULE(Adaptive);

/// How choices are drawn and how they learn.
struct settings {
    imle::options options{};               // noise, temperatures, lambda, target, difference, scale, coupling
    std::optional<std::int64_t> samples{}; // S, 1 to 2^24
    torch::reduction reduction = reduction::mean;
    double loss_scale = 1;       // what the loss is multiplied by besides, by a gradient scaler for instance
    bool mean_dz = false;        // takes the mean of a row's dz_s for each of them: less noise, a little bias
    Adaptive adaptive = nullptr; // finds lambda in place of options.lambda
};

/// Dependency trees over the words of a sentence. theta and z are [..., words, words]: element [h, d] is the arc from
/// head h to word d, and the diagonal has the arcs from the root. (imle::tree; imle.h says more.)
struct trees {
    imle::tree_options kind; // projective or not, with one root or several
    Tensor n_row;            // integers [...], the words of each row; undefined if all have those of theta

    /// A row with fewer words than theta uses the upper left corner: what lies outside is not read, and 0 in results.
    explicit trees(const imle::tree_options &kind = {}, Tensor n_row = {}) : kind(kind), n_row(std::move(n_row)) {}
};

/// The set of states: k ones, with one k for all rows or a tensor of integers [...], one k a row; or trees.
using states = std::variant<std::int64_t, Tensor, trees>;

/// Selects the noise, as imle::key does.
struct key {
    std::uint64_t seed = 0;
    std::uint64_t step = 0;
    std::uint64_t row0 = 0; // the number of the first row, or what is added to every id
    Tensor row_ids{};       // integers [...], the number of each row; undefined if rows follow one another

    /// A new key from libtorch's generator for the CPU.
    static key draw(Tensor row_ids = {}) {
        auto *const generator = at::check_generator<at::CPUGeneratorImpl>(at::detail::getDefaultCPUGenerator());
        const std::lock_guard<std::mutex> lock(generator->mutex_);
        const std::uint64_t seed = generator->random64();
        return {seed, generator->random64(), 0, std::move(row_ids)};
    }
};

/// The result of a choice.
struct choice {
    Tensor z;       // [..., N] or [..., S, N], of theta's type
    Tensor indices; // the positions of the ones, ascending, int64, [..., K] or [..., S, K]; -1 behind them. Of a tree:
                    // head * words + word, and K = words
};

// ---- rows, calls and gradients ----

namespace detail {

using Tensors = std::vector<Tensor>;
using Sizes = std::vector<std::int64_t>;

// A batch of rows: theta as the C functions take it, and what results should look like.
struct batch {
    Tensor theta;                            // float32 [B, N] on the CPU, without gaps inside a row
    Sizes leading;                           // the dimensions of the caller's theta that are rows
    Sizes own;                               // those of a row: N, or words, words
    at::TensorOptions options;               // the type and device of the caller's theta
    std::optional<std::int64_t> samples;     // as in settings
    std::optional<imle::tree_options> trees; // if states are trees; then k stands for words
    Tensor k_row;                            // int32 [B], or undefined
    std::int64_t k = 1;                      // the k of all rows, or the largest
    Tensor unread;                           // bool [B, N]: beyond the words of a row; undefined if all is read
    torch::key key;                          // row_ids is undefined or int64 [B]
    float temperature = 1;                   // of the exact distribution

    std::int64_t rows() const { return theta.size(0); }
    std::int64_t n() const { return theta.size(1); }
    std::int64_t s() const { return samples.value_or(1); }

    // float32 [B, sizes...]
    Tensor floats(Sizes sizes = {}) const {
        sizes.insert(sizes.begin(), rows());
        return at::empty(sizes, at::kFloat);
    }
    // [B] as [...], [B, N] as [..., N], and with samples [B, S, N] as [..., S, N], of the type of theta.
    Tensor returned(const Tensor &result, bool with_samples = false) const {
        return shaped(result, with_samples).to(options);
    }
    Tensor shaped(const Tensor &result, bool with_samples) const {
        Sizes sizes = with_samples ? of_samples() : leading;
        if (result.dim() > 1) {
            sizes.insert(sizes.end(), own.begin(), own.end());
        }
        return result.view(sizes);
    }
    // Values [B, N] or [B, S, N] with `fill` where they are not read.
    Tensor read(const Tensor &values, float fill = 0) const {
        return unread.defined() ? values.masked_fill(values.dim() == 2 ? unread : unread.unsqueeze(1), fill) : values;
    }
    // [...] or, with samples, [..., S]: the dimensions of one number a sample.
    Sizes of_samples() const {
        Sizes sizes = leading;
        if (samples) {
            sizes.push_back(*samples);
        }
        return sizes;
    }
};

// "row 5 (at [1, 2])"
inline std::string name_of_row(const batch &batch, std::int64_t row) {
    std::string name = "row " + std::to_string(row);
    if (batch.leading.size() > 1) {
        Sizes place(batch.leading.size());
        std::int64_t rest = row;
        for (std::size_t d = place.size(); d-- > 0; rest /= batch.leading[d]) {
            place[d] = rest % batch.leading[d];
        }
        name += c10::str(" (at ", at::IntArrayRef(place), ")");
    }
    return name;
}

inline Tensor to_cpu(const Tensor &tensor, at::ScalarType type = at::kFloat) {
    return tensor.detach().to(at::TensorOptions(at::kCPU).dtype(type));
}

// [..., N] as float32 [B, N], in place if the C functions can read it there.
inline Tensor matrix(const Tensor &tensor, std::int64_t rows, std::int64_t n) {
    const Tensor matrix = to_cpu(tensor).reshape({rows, n});
    const bool readable = (n == 1 || matrix.stride(1) == 1) && (rows <= 1 || matrix.stride(0) >= n);
    return readable ? matrix : matrix.contiguous();
}

// dz as float32 [B, S, N], in place if the C functions can read it there: rows and samples may have any order and gaps,
// and the samples of a row may share one dz.
inline Tensor dz_of(const Tensor &gradient, const batch &batch) {
    const Tensor dz = to_cpu(gradient).reshape({batch.rows(), batch.s(), batch.n()});
    const std::int64_t n = batch.n();
    const bool readable = (n == 1 || dz.stride(2) == 1) && (dz.size(0) <= 1 || dz.stride(0) >= n) &&
                          (dz.size(1) <= 1 || dz.stride(1) == 0 || dz.stride(1) >= n);
    return readable ? dz : dz.contiguous();
}

inline Tensor integers(const Tensor &given, const char *name, const Sizes &leading) {
    TORCH_CHECK(at::isIntegralType(given.scalar_type(), false), name, ": expected integers, not ", given.scalar_type());
    TORCH_CHECK(given.sizes() == at::IntArrayRef(leading), name, ": expected the leading dimensions of theta, ",
                at::IntArrayRef(leading), ", not ", given.sizes());
    return to_cpu(given, at::kLong).reshape({-1}).contiguous();
}

// One number a row, from 0 to `most`.
inline void set_k_row(batch &batch, const Tensor &given, const char *name, std::int64_t most, const char *of_what) {
    const Tensor k_row = integers(given, name, batch.leading);
    for (std::int64_t b = 0; b < batch.rows(); b++) {
        const std::int64_t of_row = k_row.data_ptr<std::int64_t>()[b];
        TORCH_CHECK(0 <= of_row && of_row <= most, name, ": expected 0 to ", most, ", the number of ", of_what,
                    ", not ", of_row, ", in ", name_of_row(batch, b));
    }
    batch.k_row = k_row.to(at::kInt);
}

inline void set_k(batch &batch, const states &k) {
    const std::int64_t n = batch.n();
    if (const auto *all = std::get_if<std::int64_t>(&k)) {
        TORCH_CHECK(0 <= *all && *all <= n, "k: expected 0 to ", n, ", the number of scores, not ", *all);
        batch.k = *all;
    } else if (const auto *of_row = std::get_if<Tensor>(&k)) {
        TORCH_CHECK(of_row->defined(), "k: expected a number or a tensor of integers");
        set_k_row(batch, *of_row, "k", n, "scores");
        batch.k = batch.rows() == 0 ? 0 : batch.k_row.max().item<std::int64_t>();
    } else {
        const auto &trees = std::get<torch::trees>(k);
        batch.trees = trees.kind;
        batch.k = batch.own[0];
        if (trees.n_row.defined()) {
            set_k_row(batch, trees.n_row, "n_row", batch.k, "words");
            const Tensor outside = at::arange(batch.k, at::kInt).ge(batch.k_row.unsqueeze(1)); // [B, words]
            batch.unread = (outside.unsqueeze(1) | outside.unsqueeze(2)).flatten(1);
        }
    }
}

inline batch batch_of(const Tensor &theta, const states &k, std::optional<std::int64_t> samples = {},
                      const key &key = {}) {
    const bool trees = std::holds_alternative<torch::trees>(k);
    TORCH_CHECK(theta.defined() && theta.dim() >= (trees ? 2 : 1), "theta: expected a tensor ",
                trees ? "[..., words, words]" : "[..., N]");
    TORCH_CHECK(at::isFloatingType(theta.scalar_type()), "theta: expected a floating type, not ", theta.scalar_type());
    TORCH_CHECK(theta.size(-1) >= 1, "theta: a row must have at least one score");
    if (trees) {
        TORCH_CHECK(theta.size(-2) == theta.size(-1) && theta.size(-1) < 1 << 16,
                    "theta: expected [..., words, words], at most 65535 words, not ", theta.sizes());
    }
    TORCH_CHECK(!samples || (1 <= *samples && *samples <= 1 << 24), "samples: expected 1 to 2^24, not ", *samples);
    const auto leading = static_cast<std::size_t>(theta.dim() - (trees ? 2 : 1));
    const std::int64_t n = theta.size(-1) * (trees ? theta.size(-1) : 1), rows = theta.numel() / n;
    TORCH_CHECK(std::max(rows, n) <= std::numeric_limits<std::int32_t>::max(),
                "theta: expected fewer than 2^31 rows and scores in a row");
    batch batch;
    batch.theta = matrix(theta, rows, n);
    batch.leading = theta.sizes().slice(0, leading).vec();
    batch.own = theta.sizes().slice(leading).vec();
    batch.options = theta.options();
    batch.samples = samples;
    batch.key = key;
    if (key.row_ids.defined()) {
        batch.key.row_ids = integers(key.row_ids, "row_ids", batch.leading);
    }
    set_k(batch, k);
    return batch;
}

// A batch for the exact distribution.
inline batch exact_batch(const Tensor &theta, const states &k, float temperature,
                         std::optional<std::int64_t> samples = {}, const key &key = {}) {
    TORCH_CHECK(temperature > 0 && std::isfinite(temperature) && std::isfinite(1 / temperature),
                "temperature: expected a finite number above 0, with a finite inverse, not ", temperature);
    batch batch = batch_of(theta, k, samples, key);
    batch.temperature = temperature;
    return batch;
}

// The rows first to last - 1 of a batch, as the arguments of a call.
class part {
public:
    part(const batch &batch, std::int64_t first, std::int64_t last) : batch_(batch), first_(first), last_(last) {}

    imle::shape shape() const {
        return imle::shape()
            .rows(number(last_ - first_))
            .n(number(batch_.n()))
            .k(number(batch_.k))
            .samples(number(batch_.s()));
    }
    imle::key key() const {
        const auto &[seed, step, row0, ids] = batch_.key;
        const std::uint64_t first = ids.defined() ? row0 : row0 + static_cast<std::uint64_t>(first_);
        imle::key key = imle::key().seed(seed).step(step).row0(first);
        if (ids.defined()) key.row_ids(of<std::uint64_t, std::int64_t>(ids));
        return key;
    }
    imle::tree tree(const imle::options &options) const {
        return imle::tree(shape(), options, *batch_.trees).n_row(lists(batch_.k_row));
    }
    // Calls call(layer) with the layer that finds the batch's states.
    template <class Call>
    imle::status choice(const imle::options &options, const Call &call) const {
        return batch_.trees ? call(tree(options)) : call(imle::topk(shape(), options).k_row(lists(batch_.k_row)));
    }
    // The same with the distribution on them.
    template <class Call>
    imle::status exact(const Call &call) const {
        const float temperature = batch_.temperature;
        return batch_.trees
                   ? call(imle::exact_tree(shape(), temperature, *batch_.trees).n_row(lists(batch_.k_row)))
                   : call(imle::exact_topk(shape(), temperature).k_row(lists(batch_.k_row)));
    }

    // A tensor [B, ...] without gaps; an undefined one is absent.
    imle::span<float> floats(const Tensor &tensor) const { return of<float, float>(tensor); }
    imle::span<std::uint32_t> lists(const Tensor &tensor) const { return of<std::uint32_t, std::int32_t>(tensor); }
    // A tensor that `matrix` has made.
    imle::rows<const float> rows(const Tensor &matrix) const {
        const std::int64_t stride = matrix.size(0) <= 1 ? matrix.size(1) : matrix.stride(0);
        return {reach(matrix, stride, matrix.size(1)), static_cast<std::size_t>(stride)};
    }
    imle::rows<const float> theta() const { return rows(batch_.theta); }
    // A tensor that `dz_of` has made.
    imle::dz dz(const Tensor &dz) const {
        const std::int64_t sample = dz.size(1) <= 1 ? 0 : dz.stride(1);
        const std::int64_t row_length = (dz.size(1) - 1) * sample + dz.size(2);
        const std::int64_t row = dz.size(0) <= 1 ? row_length : dz.stride(0);
        return imle::dz::strided(reach(dz, row, row_length), static_cast<std::size_t>(row),
                                 static_cast<std::size_t>(sample));
    }

private:
    static std::uint32_t number(std::int64_t size) { return static_cast<std::uint32_t>(size); }

    // libtorch has no unsigned integers, so those of imle.h are held as signed ones of the same size.
    template <class Element, class Held>
    imle::span<Element> of(const Tensor &tensor) const {
        if (!tensor.defined()) {
            return {};
        }
        const std::int64_t each = tensor.dim() == 1 ? 1 : tensor.stride(0);
        return {reinterpret_cast<Element *>(tensor.data_ptr<Held>()) + first_ * each,
                static_cast<std::size_t>((last_ - first_) * each)};
    }
    imle::span<const float> reach(const Tensor &tensor, std::int64_t stride, std::int64_t length) const {
        return {tensor.data_ptr<float>() + first_ * stride,
                static_cast<std::size_t>((last_ - first_ - 1) * stride + length)};
    }

    const batch &batch_;
    std::int64_t first_, last_;
};

// Memory for one call. Its contents mean nothing, so none are written.
class scratch {
public:
    template <class Layer>
    explicit scratch(const Layer &layer) : length_(layer.workspace_len()), data_(new float[length_]) {}
    operator imle::workspace() const { return imle::span<float>(data_.get(), length_); }

private:
    std::size_t length_;
    std::unique_ptr<float[]> data_;
};

// The number of the first row for which `is_bad` [B] is true.
inline std::optional<std::int64_t> first_row(const Tensor &is_bad) {
    const Tensor rows = is_bad.nonzero();
    return rows.size(0) == 0 ? std::nullopt : std::optional(rows[0][0].item<std::int64_t>());
}

// [B]: true for rows with a number that is not finite.
inline Tensor not_finite(const Tensor &values) {
    return values.isfinite().logical_not().reshape({values.size(0), -1}).any(1);
}

// Calls call(part) for parts of the rows on libtorch's threads. The answer is an error of one of them, if there is one.
template <class Call>
imle::status status_of_rows(const batch &batch, const Call &call) {
    constexpr std::int64_t WORTH_A_THREAD = 16384; // coordinates
    const std::int64_t grain = std::max<std::int64_t>(1, WORTH_A_THREAD / (batch.n() * batch.s()));
    std::atomic<imle::status> status{imle::status::ok};
    at::parallel_for(0, batch.rows(), grain, [&](std::int64_t first, std::int64_t last) {
        const imle::status of_part = call(part(batch, first, last));
        if (of_part != imle::status::ok) {
            status.store(of_part);
        }
    });
    return status;
}

// Turns an error into a c10::Error in the caller's terms. `other` names the argument besides theta that may be at
// fault, and `values` are its numbers [B, ...], if it has such.
inline void refuse(const batch &batch, imle::status status, const char *other, const Tensor &values = {}) {
    if (status == imle::status::ok) {
        return;
    }
    const Tensor theta = batch.read(batch.theta);
    if (const auto row = first_row((theta.isnan() | (theta == INFINITY)).any(1))) {
        TORCH_CHECK(false, "theta: expected finite scores or -inf (a mask); NaN or +inf is in ",
                    name_of_row(batch, *row));
    }
    if (batch.trees) {
        const part all(batch, 0, batch.rows());
        const imle::tree layer = all.tree({});
        std::uint32_t row = 0;
        const imle::status found = layer.find_bad_row(all.theta(), imle::dz::shared({}), row, scratch(layer));
        TORCH_CHECK(found != imle::status::ok || row == batch.rows(), "theta: the masks leave no tree in ",
                    name_of_row(batch, row));
    } else {
        const Tensor k = batch.k_row.defined() ? batch.k_row : at::full({batch.rows()}, batch.k, at::kInt);
        if (const auto row = first_row((theta != -INFINITY).sum(1) < k)) {
            TORCH_CHECK(false, "theta: fewer than k scores are not masked in ", name_of_row(batch, *row));
        }
    }
    if (values.defined()) {
        if (const auto row = first_row(not_finite(values))) {
            TORCH_CHECK(false, other, ": expected finite numbers; one that is not is in ", name_of_row(batch, *row));
        }
    }
    TORCH_CHECK(false, status == imle::status::option ? "settings" : other, ": ", imle::message(status));
}

// Calls call(part) for parts of the rows on libtorch's threads, and refuses the first error.
template <class Call>
void for_rows(const batch &batch, const Call &call, const char *other = "settings", const Tensor &values = {}) {
    refuse(batch, status_of_rows(batch, call), other, values);
}

// The gradient [B, N] that call(part, dz, gradient) writes. The gradient of rows whose dz is not finite is NaN.
template <class Call>
Tensor gradient_of_rows(const batch &batch, const Tensor &dz, const Call &call) {
    Tensor gradient = batch.floats({batch.n()});
    const auto status_for = [&](const Tensor &dz) {
        return status_of_rows(batch, [&](const part &part) { return call(part, part.dz(dz), part.floats(gradient)); });
    };
    imle::status status = status_for(dz);
    if (status != imle::status::nonfinite) {
        refuse(batch, status, "indices");
        return gradient;
    }
    const Tensor bad = not_finite(batch.read(dz));
    status = status_for(dz.masked_fill(bad.view({-1, 1, 1}), 0));
    refuse(batch, status, "indices");
    return gradient.masked_fill_(bad.unsqueeze(1), NAN);
}

// Lists of the C functions as int64, with -1 for "no further one".
inline Tensor returned_lists(const batch &batch, const Tensor &lists) {
    Sizes sizes = batch.of_samples();
    sizes.push_back(batch.k);
    return lists.to(at::kLong).view(sizes).to(batch.options.device());
}

// The gradients of the inputs, from what the forward pass saved and the gradient of the output.
using backward_rule = std::function<Tensors(const Tensors &saved, const Tensor &gradient)>;

struct rule_holder : ::torch::CustomClassHolder {
    Tensor output;
    Tensors saved;
    backward_rule backward;
};

// Ties an output to the inputs that it was computed from. Tensors are saved by libtorch, which notices if one is
// overwritten before the backward pass.
class differentiable : public ::torch::autograd::Function<differentiable> {
public:
    static Tensor forward(::torch::autograd::AutogradContext *context, const Tensor &, const Tensor &,
                          const c10::intrusive_ptr<rule_holder> &holder) {
        context->save_for_backward(std::exchange(holder->saved, {}));
        context->saved_data["rule"] = c10::IValue::make_capsule(holder);
        return std::exchange(holder->output, {});
    }

    static Tensors backward(::torch::autograd::AutogradContext *context, Tensors gradients) {
        if (!gradients[0].defined()) {
            return {Tensor(), Tensor(), Tensor()};
        }
        TORCH_CHECK(!(at::GradMode::is_enabled() && gradients[0].requires_grad()), "imle has no second derivatives");
        const auto holder = context->saved_data["rule"].toCapsule();
        Tensors inputs =
            static_cast<const rule_holder &>(*holder).backward(context->get_saved_variables(), gradients[0]);
        inputs.resize(3);
        return inputs;
    }
};

inline Tensor tie(Tensor output, Tensors saved, backward_rule rule, const Tensor &theta, const Tensor &other = {}) {
    auto holder = c10::make_intrusive<rule_holder>();
    holder->output = std::move(output);
    holder->saved = std::move(saved);
    holder->backward = std::move(rule);
    return differentiable::apply(theta, other.defined() ? other : theta.detach(), holder); // it wants two tensors
}

// The implicit gradient as the gradient of the whole loss. gradient(options, dz, counts) computes it for one lambda; it
// returns a mean over samples.
template <class Gradient>
Tensor implicit(const batch &batch, const settings &settings, const Tensor &given, bool adapt,
                const Gradient &gradient) {
    Tensor dz = dz_of(given, batch);
    if (settings.mean_dz) {
        dz = dz.mean(1, true).expand_as(dz);
    }
    imle::options options = settings.options;
    const double samples = static_cast<double>(batch.s());
    const bool scaled = options.c().scale == IMLE_SCALE_INVERSE_LAMBDA;
    // A mean has divided dz by the number of states. The combinatorial target needs dz itself. Otherwise a lambda that
    // is larger by that number does the same without a copy, and the factor 1 / lambda brings the division back.
    const double states =
        (settings.reduction == reduction::mean ? static_cast<double>(batch.rows()) * samples : 1) / settings.loss_scale;
    double back = samples;
    if (options.c().target == IMLE_TARGET_COMBINATORIAL) {
        dz = dz.mul(states);
        back /= states;
    } else {
        options.lambda(static_cast<float>(options.c().lambda * states));
        back /= scaled ? 1 : states;
    }
    imle::diagnostics counts{};
    if (!settings.adaptive) {
        return gradient(options, dz, counts).mul_(back);
    }
    AdaptiveImpl &adaptive = *settings.adaptive.ptr();
    // One copy of a dz that samples share is enough, as for imle::adaptive.
    const Tensor each = dz.stride(1) == 0 ? dz.slice(1, 0, 1) : dz;
    const auto read = [&](const Tensor &values) { // values [B, ..., N]
        return batch.unread.defined() ? values.masked_select(batch.unread.logical_not().unsqueeze(1))
                                      : values.contiguous();
    };
    const float lambda = adaptive.lambda(read(batch.theta.unsqueeze(1)), read(each));
    if (!(lambda > 0)) { // no dz, or one that is not finite
        return at::full({batch.rows(), batch.n()}, lambda, at::kFloat);
    }
    const Tensor result = gradient(options.lambda(lambda), dz, counts).mul_(back);
    if (adapt) {
        adaptive.update(counts);
    }
    return result;
}

// Counts of parts, added up.
class sum_of_counts {
public:
    void add(const imle::diagnostics &counts) {
        states_ += counts.states;
        unchanged_ += counts.unchanged;
        nonzeros_ += counts.nonzeros;
    }
    operator imle::diagnostics() const { return {states_, unchanged_, nonzeros_}; }

private:
    std::atomic<std::uint64_t> states_{0}, unchanged_{0}, nonzeros_{0};
};

// A batch without its theta, for a backward rule: libtorch saves theta.
inline batch without_theta(batch batch) {
    batch.theta = Tensor();
    return batch;
}

inline batch with_theta(batch batch, const Tensor &theta) {
    batch.theta = theta;
    return batch;
}

inline key or_drawn(const std::optional<key> &given) {
    return given ? *given : key::draw();
}

// z and lists of a batch, before `sample` writes them.
struct drawn {
    Tensor z, lists;

    explicit drawn(const batch &batch)
        : z(batch.floats({batch.s(), batch.n()})), lists(at::empty({batch.rows(), batch.s(), batch.k}, at::kInt)) {}
};

// A choice whose gradient is rule(batch, lists, gradient) [B, N].
template <class Rule>
choice choice_of(const Tensor &theta, const batch &batch, const drawn &drawn, Rule rule) {
    const auto backward = [batch = without_theta(batch), rule](const Tensors &saved,
                                                               const Tensor &gradient) -> Tensors {
        const detail::batch full = with_theta(batch, saved[0]);
        return {full.returned(rule(full, saved[1], gradient))};
    };
    return {tie(batch.returned(drawn.z, true), {batch.theta, drawn.lists}, backward, theta),
            returned_lists(batch, drawn.lists)};
}

// z and lists of MAP(theta + noise).
inline drawn perturbed(const batch &batch, const imle::options &options) {
    drawn out(batch);
    for_rows(batch, [&](const part &part) {
        return part.choice(options, [&](const auto &layer) {
            return layer.sample(part.key(), part.theta(), {part.floats(out.z), part.lists(out.lists)}, scratch(layer));
        });
    });
    return out;
}

} // namespace detail

// ---- choices ----

/// Chooses k of n: z_s = MAP(theta + tau eps_s). The gradient is that of Implicit MLE:
/// (1 / lambda) (1/S) sum_s [z_s - MAP(theta'_s + tau' eps_s)], theta'_s = alpha theta - lambda dz_s.
/// (Niepert, Minervini, Franceschi 2021, Algorithm 1.)
inline choice topk(const Tensor &theta, const states &k, const settings &settings = {},
                   const std::optional<key> &key = {}) {
    const detail::batch batch = detail::batch_of(theta, k, settings.samples, detail::or_drawn(key));
    // A second backward pass through a retained graph sees the same states, so it does not adapt lambda again.
    const auto adapts = std::make_shared<std::atomic<bool>>(true);
    return detail::choice_of(theta, batch, detail::perturbed(batch, settings.options),
                             [settings, adapts](const detail::batch &batch, const Tensor &lists, const Tensor &dz) {
        return detail::implicit(batch, settings, dz, adapts->exchange(false),
                                [&](const imle::options &options, const Tensor &dz, imle::diagnostics &counts) {
            detail::sum_of_counts sum;
            const Tensor gradient = detail::gradient_of_rows(
                batch, dz, [&](const detail::part &part, const imle::dz &dz, imle::span<float> gradient) {
                imle::diagnostics of_part{};
                const imle::status status = part.choice(options, [&](const auto &layer) {
                    return layer.gradient(part.key(), part.theta(), dz, part.lists(lists), gradient,
                                          detail::scratch(layer), &of_part);
                });
                sum.add(of_part);
                return status;
            });
            counts = sum;
            return gradient;
        });
    });
}

/// Chooses one of n: topk with k = 1, bit for bit.
inline choice argmax(const Tensor &theta, const settings &settings = {}, const std::optional<key> &key = {}) {
    return topk(theta, 1, settings, key);
}

/// Chooses the best dependency trees, [..., words, words]: topk with trees in place of k.
inline choice tree(const Tensor &theta, const trees &kind = trees(), const settings &settings = {},
                   const std::optional<key> &key = {}) {
    return topk(theta, kind, settings, key);
}

/// Chooses k of n as topk does, and hands the gradient of z to theta as it is; 0 where theta is masked.
inline choice straight_through(const Tensor &theta, const states &k, const settings &settings = {},
                               const std::optional<key> &key = {}) {
    const detail::batch batch = detail::batch_of(theta, k, settings.samples, detail::or_drawn(key));
    return detail::choice_of(theta, batch, detail::perturbed(batch, settings.options),
                             [](const detail::batch &given, const Tensor &, const Tensor &dz) {
        const detail::batch batch = detail::with_theta(given, given.read(given.theta, -INFINITY));
        return detail::gradient_of_rows(batch, batch.read(detail::dz_of(dz, batch)),
                                        [&](const detail::part &part, const imle::dz &dz, imle::span<float> gradient) {
            return imle::straight_through(part.shape(), part.theta(), dz, gradient);
        }).mul_(batch.s());
    });
}

/// Finds MAP(scores) for float32 scores of z's dimensions: returns states of zeros and ones, 0 where the score is -inf.
using solver = std::function<Tensor(const Tensor &scores)>;

namespace detail {

// The states [B, S, N] that a solver finds for scores [B, S, N].
inline Tensor solved(const batch &batch, const solver &solver, const Tensor &scores) {
    const at::NoGradGuard no_grad;
    const Tensor given = batch.shaped(scores, true).to(batch.options.device());
    const Tensor z = solver(given);
    TORCH_CHECK(z.defined() && z.sizes() == given.sizes(), "solver: expected states of the scores' dimensions, ",
                given.sizes());
    const Tensor states = to_cpu(z).reshape(scores.sizes()).contiguous();
    if (const auto row = first_row(((states != 0) & (states != 1)).reshape({batch.rows(), -1}).any(1))) {
        TORCH_CHECK(false, "solver: expected states of zeros and ones, but not in ", name_of_row(batch, *row));
    }
    return states;
}

} // namespace detail

/// z_s = solver(theta + tau eps_s) for any set of states, with the gradient of topk. The positions of the ones are not
/// listed.
inline Tensor solve(const Tensor &theta, const solver &solver, const settings &settings = {},
                    const std::optional<key> &key = {}) {
    const detail::batch batch = detail::batch_of(theta, 0, settings.samples, detail::or_drawn(key));
    const auto scores_for = [](const detail::batch &batch, const auto &write) {
        Tensor scores = batch.floats({batch.s(), batch.n()});
        detail::for_rows(batch, [&](const detail::part &part) { return write(part, part.floats(scores)); });
        return scores;
    };
    const Tensor z =
        detail::solved(batch, solver, scores_for(batch, [&](const detail::part &part, imle::span<float> scores) {
        return imle::own_solver(part.shape(), settings.options).perturb(part.key(), part.theta(), scores);
    }));
    const auto adapts = std::make_shared<std::atomic<bool>>(true);
    const auto backward = [=, batch = detail::without_theta(batch)](const detail::Tensors &saved,
                                                                    const Tensor &gradient) -> detail::Tensors {
        const detail::batch full = detail::with_theta(batch, saved[0]);
        return {full.returned(
            detail::implicit(full, settings, gradient, adapts->exchange(false),
                             [&](const imle::options &options, const Tensor &given, imle::diagnostics &counts) {
            const Tensor bad = detail::not_finite(given);
            const Tensor dz = given.masked_fill(bad.view({-1, 1, 1}), 0);
            const auto solved_at = [&](imle::side side) {
                return detail::solved(full, solver,
                                      scores_for(full, [&](const detail::part &part, imle::span<float> scores) {
                    return imle::own_solver(part.shape(), options)
                        .target(part.key(), side, part.theta(), part.dz(dz), scores);
                }));
            };
            const bool central = options.c().difference == IMLE_DIFFERENCE_CENTRAL;
            const Tensor z = central ? solved_at(imle::side::plus) : saved[1];
            const Tensor target = solved_at(imle::side::minus);
            Tensor result = full.floats({full.n()});
            const detail::part all(full, 0, full.rows());
            detail::refuse(full,
                           imle::own_solver(all.shape(), options)
                               .difference(all.floats(z), all.floats(target), all.floats(result), &counts),
                           "solver");
            return result.masked_fill_(bad.unsqueeze(1), NAN);
        }))};
    };
    return detail::tie(batch.returned(z, true), {batch.theta, z}, backward, theta);
}

// ---- the distribution on k-subsets or trees, p(z) proportional to exp(<z, theta> / temperature) ----

namespace detail {

inline drawn exact_sample(const batch &batch) {
    drawn out(batch);
    for_rows(batch, [&](const part &part) {
        return part.exact([&](const auto &layer) {
            return layer.sample(part.key(), part.theta(), {part.floats(out.z), part.lists(out.lists)}, scratch(layer));
        });
    });
    return out;
}

// [B] or [B, N] from a call that writes it.
template <class Call>
Tensor exact_result(const batch &batch, Tensor result, const Call &call) {
    for_rows(batch, [&](const part &part) {
        return part.exact([&](const auto &layer) { return call(part, layer, part.floats(result), scratch(layer)); });
    });
    return result;
}

inline Tensor marginals(const batch &batch) {
    return exact_result(batch, batch.floats({batch.n()}),
                        [](const auto &part, const auto &layer, auto out, const auto &work) {
        return layer.marginals(part.theta(), {out}, work);
    });
}

// The gradient of <v, mu>, [B, N]; rows of v that are not finite give NaN.
inline Tensor covariance_times(const batch &batch, const Tensor &v) {
    return gradient_of_rows(batch, v.unsqueeze(1), [&](const part &part, const imle::dz &dz, imle::span<float> out) {
        return part.exact([&](const auto &layer) { return layer.simple(part.theta(), dz, out, scratch(layer)); });
    });
}

// A gradient of one number a row as a column, float32 on the CPU.
inline Tensor column(const Tensor &gradient) {
    return to_cpu(gradient).reshape({-1, 1});
}

// theta with 0 in place of masks, which carry no probability.
inline Tensor unmasked(const Tensor &theta) {
    return theta.masked_fill(theta == -INFINITY, 0);
}

// One number a row, or one vector, whose gradient is rule(batch, saved, gradient) [B, N].
template <class Rule>
Tensor of_theta(const Tensor &theta, const batch &batch, const Tensor &result, Rule rule) {
    return tie(batch.returned(result), {batch.theta, result},
               [batch = without_theta(batch), rule](const Tensors &saved, const Tensor &gradient) -> Tensors {
        const detail::batch full = with_theta(batch, saved[0]);
        return {full.returned(rule(full, saved[1], gradient))};
    }, theta);
}

// Lists [..., K] or [..., S, K], int64, as int32 [B, S, K]; the batch's k and samples become theirs.
inline Tensor lists_of(batch &batch, const Tensor &indices) {
    const auto leading = static_cast<std::int64_t>(batch.leading.size());
    TORCH_CHECK(indices.defined() && at::isIntegralType(indices.scalar_type(), false) &&
                    (indices.dim() == leading + 1 || indices.dim() == leading + 2) && indices.size(-1) == batch.k &&
                    indices.sizes().slice(0, batch.leading.size()) == at::IntArrayRef(batch.leading),
                "indices: expected the integers [..., K] or [..., S, K] that a choice of k = ", batch.k,
                " has returned");
    if (indices.dim() == leading + 2) {
        batch.samples = indices.size(-2);
    }
    return to_cpu(indices, at::kInt).reshape({batch.rows(), batch.s(), batch.k}).contiguous();
}

// z [B, S, N] of lists [B, S, K].
inline Tensor states_of(const batch &batch, const Tensor &lists) {
    const Tensor at = lists.to(at::kLong);
    return batch.floats({batch.s(), batch.n()}).zero_().scatter_add_(2, at.clamp_min(0), at.ge(0).to(at::kFloat));
}

// Losses of samples, [..., S] or [...], as float32 [B, S].
inline Tensor losses_of(const batch &batch, const Tensor &losses) {
    const Sizes sizes = batch.of_samples();
    TORCH_CHECK(losses.defined() && losses.sizes() == at::IntArrayRef(sizes), "losses: expected one a sample, ",
                at::IntArrayRef(sizes));
    return to_cpu(losses).reshape({batch.rows(), batch.s()}).contiguous();
}

// The mean loss of each row, [...]: its gradient for theta is `estimate` [B, N], and for the losses their share.
inline Tensor mean_losses(const Tensor &theta, const batch &batch, const Tensor &losses, const Tensor &estimate) {
    const auto options = losses.options();
    return tie(batch.returned(losses_of(batch, losses).mean(1)), {estimate},
               [batch = without_theta(batch), options](const Tensors &saved, const Tensor &gradient) -> Tensors {
        const Tensor of_row = column(gradient);
        const Tensor shares = of_row.div(static_cast<double>(batch.s())).expand({-1, batch.s()});
        return {batch.returned(saved[0] * of_row), shares.reshape(batch.of_samples()).to(options)};
    }, theta, losses);
}

} // namespace detail

/// Draws z_s from p, independent of one another. No gradient goes through z: for score_function and unbiased_simple.
inline choice sample(const Tensor &theta, const states &k, std::optional<std::int64_t> samples = {},
                     float temperature = 1, const std::optional<key> &key = {}) {
    const detail::batch batch = detail::exact_batch(theta, k, temperature, samples, detail::or_drawn(key));
    const detail::drawn drawn = detail::exact_sample(batch);
    return {batch.returned(drawn.z, true), detail::returned_lists(batch, drawn.lists)};
}

/// Draws z_s from p. The gradient is SIMPLE: (1 / temperature) Cov(z) dz_s, added over the samples. (Ahmed, Zeng,
/// Niepert, Van den Broeck 2023.)
inline choice simple(const Tensor &theta, const states &k, std::optional<std::int64_t> samples = {},
                     float temperature = 1, const std::optional<key> &key = {}) {
    const detail::batch batch = detail::exact_batch(theta, k, temperature, samples, detail::or_drawn(key));
    return detail::choice_of(theta, batch, detail::exact_sample(batch),
                             [](const detail::batch &batch, const Tensor &, const Tensor &dz) {
        return detail::gradient_of_rows(batch, detail::dz_of(dz, batch),
                                        [&](const detail::part &part, const imle::dz &dz, imle::span<float> gradient) {
            return part.exact([&](const auto &layer) {
                return layer.simple(part.theta(), dz, gradient, detail::scratch(layer));
            });
        }).mul_(batch.s());
    });
}

/// mu = E[z], [..., N].
inline Tensor marginals(const Tensor &theta, const states &k, float temperature = 1) {
    const detail::batch batch = detail::exact_batch(theta, k, temperature);
    return detail::of_theta(theta, batch, detail::marginals(batch),
                            [](const detail::batch &batch, const Tensor &, const Tensor &gradient) {
        return detail::covariance_times(batch, detail::to_cpu(gradient).reshape({batch.rows(), batch.n()}));
    });
}

/// A = ln sum over z of exp(<z, theta> / temperature), [...], in nats.
inline Tensor log_partition(const Tensor &theta, const states &k, float temperature = 1) {
    const detail::batch batch = detail::exact_batch(theta, k, temperature);
    const Tensor result = detail::exact_result(batch, batch.floats(),
                                               [](const auto &part, const auto &layer, auto out, const auto &work) {
        return layer.marginals(part.theta(), {{}, out}, work);
    });
    return detail::of_theta(theta, batch, result,
                            [](const detail::batch &batch, const Tensor &, const Tensor &gradient) {
        return detail::marginals(batch) * detail::column(gradient) / batch.temperature;
    });
}

/// The entropy of p, [...], in nats.
inline Tensor entropy(const Tensor &theta, const states &k, float temperature = 1) {
    const detail::batch batch = detail::exact_batch(theta, k, temperature);
    const Tensor result = detail::exact_result(batch, batch.floats(),
                                               [](const auto &part, const auto &layer, auto out, const auto &work) {
        return layer.marginals(part.theta(), {{}, {}, out}, work);
    });
    // H = A - <mu, theta> / T, so its gradient is -(1 / T) times that of <v, mu> at v = theta.
    return detail::of_theta(theta, batch, result,
                            [](const detail::batch &batch, const Tensor &, const Tensor &gradient) {
        return detail::covariance_times(batch, detail::unmasked(batch.theta)) * detail::column(gradient) /
               -batch.temperature;
    });
}

/// ln p(z) of states that are given by their indices, [...] or [..., S].
inline Tensor log_prob(const Tensor &theta, const states &k, const Tensor &indices, float temperature = 1) {
    detail::batch batch = detail::exact_batch(theta, k, temperature);
    const Tensor lists = detail::lists_of(batch, indices);
    const Tensor result = batch.floats({batch.s()});
    detail::for_rows(batch, [&](const detail::part &part) {
        return part.exact([&](const auto &layer) {
            return layer.log_prob(part.theta(), part.lists(lists), part.floats(result), detail::scratch(layer));
        });
    }, "indices");
    return detail::tie(result.view(batch.of_samples()).to(batch.options), {batch.theta, lists},
                       [=, batch = detail::without_theta(batch)](const detail::Tensors &saved,
                                                                 const Tensor &gradient) -> detail::Tensors {
        const detail::batch full = detail::with_theta(batch, saved[0]);
        const Tensor weights = detail::to_cpu(gradient).reshape({full.rows(), full.s(), 1});
        const Tensor difference = detail::states_of(full, saved[1]) - detail::marginals(full).unsqueeze(1);
        return {full.returned((difference * weights).sum(1) / full.temperature)};
    },
                       theta);
}

/// KL(p || q), [...], in nats; q has the scores `other` [..., N]. Both have gradients.
inline Tensor kl(const Tensor &theta, const Tensor &other, const states &k, float temperature = 1) {
    const detail::batch batch = detail::exact_batch(theta, k, temperature);
    TORCH_CHECK(other.defined() && other.sizes() == theta.sizes(), "other: expected the dimensions of theta, ",
                theta.sizes());
    const Tensor scores = detail::matrix(other, batch.rows(), batch.n());
    const Tensor result = detail::exact_result(batch, batch.floats(),
                                               [&](const auto &part, const auto &layer, auto out, const auto &work) {
        return layer.kl(part.theta(), part.rows(scores), out, work);
    });
    const auto options = other.options();
    return detail::tie(batch.returned(result), {batch.theta, scores},
                       [=, batch = detail::without_theta(batch)](const detail::Tensors &saved,
                                                                 const Tensor &gradient) -> detail::Tensors {
        const detail::batch p = detail::with_theta(batch, saved[0]), q = detail::with_theta(batch, saved[1]);
        const Tensor weight = detail::column(gradient) / p.temperature;
        const Tensor v = detail::unmasked(p.theta) - detail::unmasked(q.theta).masked_fill(p.theta == -INFINITY, 0);
        const Tensor shift = detail::marginals(q) - detail::marginals(p);
        return {p.returned(detail::covariance_times(p, v) * weight), p.shaped(shift * weight, false).to(options)};
    },
                       theta, other);
}

/// The mean loss of each row's samples, [...], from their losses [..., S], S at least 2. Its gradient for theta is the
/// score-function estimator with a leave-one-out baseline. The indices are those of states that `sample` drew.
inline Tensor score_function(const Tensor &theta, const states &k, const Tensor &indices, const Tensor &losses,
                             float temperature = 1) {
    detail::batch batch = detail::exact_batch(theta, k, temperature);
    const Tensor lists = detail::lists_of(batch, indices);
    const Tensor values = detail::losses_of(batch, losses);
    const Tensor estimate = batch.floats({batch.n()});
    detail::for_rows(batch, [&](const detail::part &part) {
        return part.exact([&](const auto &layer) {
            return layer.score_function(part.theta(), part.lists(lists), part.floats(values), part.floats(estimate));
        });
    }, "losses", values);
    return detail::mean_losses(theta, batch, losses, estimate);
}

/// The same with SIMPLE for the part of the loss that dz [..., S, N] explains, the gradient of each sample's loss with
/// respect to z, and with the score function for the rest: unbiased, and of less variance where the loss is close to
/// linear.
inline Tensor unbiased_simple(const Tensor &theta, const states &k, const Tensor &indices, const Tensor &dz,
                              const Tensor &losses, float temperature = 1) {
    detail::batch batch = detail::exact_batch(theta, k, temperature);
    const Tensor lists = detail::lists_of(batch, indices);
    const Tensor values = detail::losses_of(batch, losses);
    TORCH_CHECK(dz.defined() && dz.numel() == batch.rows() * batch.s() * batch.n(), "dz: expected [..., S, N]");
    const Tensor given = detail::dz_of(dz, batch);
    const Tensor estimate = batch.floats({batch.n()});
    detail::for_rows(batch, [&](const detail::part &part) {
        return part.exact([&](const auto &layer) {
            return layer.unbiased_simple(part.theta(), part.lists(lists), part.dz(given), part.floats(values),
                                         part.floats(estimate), detail::scratch(layer));
        });
    }, "losses or dz", at::cat({values, batch.read(given).reshape({batch.rows(), -1})}, 1));
    return detail::mean_losses(theta, batch, losses, estimate);
}

/// The Fenchel-Young loss of each row, [...]: (1/S) sum_s max_z <z, theta + tau eps_s> - <theta, y>, for observed
/// states y [..., N] or means of states. Its gradient is (1/S) sum_s z_s - y. (Berthet et al. 2020.)
inline Tensor fenchel_young(const Tensor &theta, const Tensor &y, const states &k, const settings &settings = {},
                            const std::optional<key> &key = {}) {
    const detail::batch batch = detail::batch_of(theta, k, settings.samples, detail::or_drawn(key));
    TORCH_CHECK(y.defined() && y.sizes() == theta.sizes(), "y: expected the dimensions of theta, ", theta.sizes());
    const Tensor observed = detail::matrix(y, batch.rows(), batch.n());
    const Tensor loss = batch.floats(), slope = batch.floats({batch.n()});
    detail::for_rows(batch, [&](const detail::part &part) {
        return part.choice(settings.options, [&](const auto &layer) {
            return layer.fenchel_young(part.key(), part.theta(), part.rows(observed), part.floats(loss),
                                       part.floats(slope), detail::scratch(layer));
        });
    }, "y", batch.read(observed));
    return detail::tie(batch.returned(loss), {slope},
                       [batch = detail::without_theta(batch)](const detail::Tensors &saved, const Tensor &gradient)
                           -> detail::Tensors { return {batch.returned(saved[0] * detail::column(gradient))}; },
                       theta);
}

// ---- modules ----

namespace detail {

// The base of the modules that choose. In eval mode they draw nothing and choose MAP(theta).
class choosing : public ::torch::nn::Module {
public:
    torch::settings settings;

protected:
    explicit choosing(torch::settings given) : settings(std::move(given)) {
        if (settings.adaptive) {
            register_module("adaptive", settings.adaptive);
        }
    }

    torch::settings current() const {
        torch::settings now = settings;
        if (!is_training()) {
            now.options.temperature(0).target_temperature(0).coupling(imle::coupling::independent);
            now.samples = settings.samples ? std::optional<std::int64_t>(1) : std::nullopt;
        }
        return now;
    }
    // The key of a forward pass; in eval mode nothing is taken from the generator.
    std::optional<torch::key> named(const std::optional<torch::key> &key) const {
        return key || is_training() ? key : torch::key();
    }
};

} // namespace detail

/// Chooses k of n: forward(theta) is z, and choose(theta) has the indices too.
class TopKImpl : public detail::choosing {
public:
    explicit TopKImpl(states k, torch::settings settings = {}) : choosing(std::move(settings)), k(std::move(k)) {}
    Tensor forward(const Tensor &theta, const std::optional<key> &key = {}) { return choose(theta, key).z; }
    choice choose(const Tensor &theta, const std::optional<key> &key = {}) {
        return topk(theta, k, current(), named(key));
    }

    states k;

protected:
    FORWARD_HAS_DEFAULT_ARGS({1, nn::AnyValue(std::optional<torch::key>())})
};
TORCH_MODULE(TopK);

/// Chooses one of n.
class ArgmaxImpl : public TopKImpl {
public:
    explicit ArgmaxImpl(torch::settings settings = {}) : TopKImpl(1, std::move(settings)) {}
};
TORCH_MODULE(Argmax);

/// Chooses dependency trees. n_row, integers [...], has the words of each row; all have those of theta without it.
class TreeImpl : public detail::choosing {
public:
    explicit TreeImpl(const imle::tree_options &kind = {}, torch::settings settings = {})
        : choosing(std::move(settings)), kind(kind) {}
    Tensor forward(const Tensor &theta, const Tensor &n_row = {}, const std::optional<key> &key = {}) {
        return choose(theta, n_row, key).z;
    }
    choice choose(const Tensor &theta, const Tensor &n_row = {}, const std::optional<key> &key = {}) {
        return tree(theta, trees(kind, n_row), current(), named(key));
    }

    imle::tree_options kind;

protected:
    FORWARD_HAS_DEFAULT_ARGS({1, nn::AnyValue(Tensor())}, {2, nn::AnyValue(std::optional<torch::key>())})
};
TORCH_MODULE(Tree);

/// Chooses by your own solver.
class SolverImpl : public detail::choosing {
public:
    explicit SolverImpl(torch::solver solver, torch::settings settings = {})
        : choosing(std::move(settings)), solver(std::move(solver)) {}
    Tensor forward(const Tensor &theta, const std::optional<key> &key = {}) {
        return solve(theta, solver, current(), named(key));
    }

    torch::solver solver;

protected:
    FORWARD_HAS_DEFAULT_ARGS({1, nn::AnyValue(std::optional<torch::key>())})
};
TORCH_MODULE(Solver);

/// Draws from p with the gradient of SIMPLE; in eval mode it chooses MAP(theta), with the same gradient as topk.
class SimpleImpl : public detail::choosing {
public:
    explicit SimpleImpl(states k, std::optional<std::int64_t> samples = {}, float temperature = 1)
        : choosing(with(samples)), k(std::move(k)), temperature(temperature) {}
    Tensor forward(const Tensor &theta, const std::optional<key> &key = {}) { return choose(theta, key).z; }
    choice choose(const Tensor &theta, const std::optional<key> &key = {}) {
        return is_training() ? simple(theta, k, settings.samples, temperature, key)
                             : topk(theta, k, current(), named(key));
    }

    states k;
    float temperature;

protected:
    FORWARD_HAS_DEFAULT_ARGS({1, nn::AnyValue(std::optional<torch::key>())})

private:
    static torch::settings with(std::optional<std::int64_t> samples) {
        torch::settings settings;
        settings.samples = samples;
        return settings;
    }
};
TORCH_MODULE(Simple);

/// The exact marginals, in training and in eval mode.
class MarginalsImpl : public ::torch::nn::Module {
public:
    explicit MarginalsImpl(states k, float temperature = 1) : k(std::move(k)), temperature(temperature) {}
    Tensor forward(const Tensor &theta) { return marginals(theta, k, temperature); }

    states k;
    float temperature;
};
TORCH_MODULE(Marginals);

/// The mean of the rows' Fenchel-Young losses, or their sum.
class FenchelYoungImpl : public ::torch::nn::Module {
public:
    explicit FenchelYoungImpl(states k, torch::settings settings = {})
        : k(std::move(k)), settings(std::move(settings)) {}
    Tensor forward(const Tensor &theta, const Tensor &y, const std::optional<key> &key = {}) {
        const Tensor losses = fenchel_young(theta, y, k, settings, key);
        return settings.reduction == reduction::mean ? losses.mean() : losses.sum();
    }

    states k;
    torch::settings settings;
};
TORCH_MODULE(FenchelYoung);

} // namespace torch
} // namespace imle

#endif // IMLE_TORCH_HPP

// imle.hpp: Implicit MLE for C++17 and later, a thin header-only layer over imle.h.
//
//     z_s = MAP(theta + tau eps_s)                                             forward pass    sample
//     theta'_s = alpha theta - lambda dz_s,   dz_s = grad_z loss               target
//     grad_theta = (1/lambda) (1/S) sum_s [z_s - MAP(theta'_s + tau' eps_s)]   backward pass   gradient
//
//     const imle::topk layer(imle::shape().rows(40).n(350).k(10).samples(4), imle::options().lambda(2));
//     std::vector<float> work(layer.workspace_len());
//     const auto key = imle::key().seed(42).step(iteration);
//     or_throw(layer.sample(key, theta, {z}, work));                                         // z [B][S][N]
//     or_throw(layer.gradient(key, theta, imle::dz::per_sample(dz), {}, grad_theta, work));  // the same noise
//
// topk chooses k of n, argmax one of n, tree the parse of a sentence, and own_solver leaves the choice to your solver.
// exact_topk, exact_argmax and exact_tree work on p(z) itself, in closed form. Other estimators of the gradient are
// straight_through, exact_topk::simple, exact_topk::unbiased_simple, exact_topk::score_function, perturbed_gradient and
// fenchel_young. adaptive finds lambda from batch to batch.
//
// This layer adds three things to the C functions:
// - Names for sizes: shape, options and key have setters that can be chained, and choices are enums.
// - Lengths for memory: every span is checked against the shape. If one is too short, the call returns status::shape
//   and writes nothing.
// - A status that cannot be ignored by mistake ([[nodiscard]]), or exceptions if you prefer them: or_throw(call).
// It computes nothing itself, stores only its arguments and allocates nothing. It needs neither exceptions nor RTTI.
// imle.h says what each function computes, its ranges and its errors.
//
// The calls of a layer are const. They may run at the same time on any number of threads, as long as no output or
// workspace of one overlaps memory that another uses, gaps between rows included.
//
// Arrays are row-major float: B = rows, N = n, K = k, S = samples. A span may be longer than needed. An empty span
// without memory, written {}, stands for C's NULL: the output is not wanted, or the input is not given.

#ifndef IMLE_HPP
#define IMLE_HPP

#include "imle.h"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <type_traits>
#include <utility>

#if defined(__cpp_exceptions)
#include <exception>
#endif

// The standard library tells whether it has std::span. __cplusplus does not: MSVC leaves it at 199711L in every mode.
#if __has_include(<version>)
#include <version>
#endif
#if defined(__cpp_lib_span)
#include <span>
#endif

namespace imle {

// The types below differ between std::span and our own span. These namespaces keep the two sets apart in a program
// whose files are compiled as C++17 and as C++20.
#if defined(__cpp_lib_span)
inline namespace with_std_span {

template <class T>
using span = std::span<T>;
#else
inline namespace with_own_span {

/// Memory and its length: stands in for std::span, which C++17 lacks. Converts from arrays and from any object that
/// has data() and size().
template <class T>
class span {
public:
    constexpr span() noexcept = default;
    constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}

    template <class Array, class Element = std::remove_pointer_t<decltype(std::data(std::declval<Array &>()))>,
              class = std::enable_if_t<std::is_convertible_v<Element (*)[], T (*)[]>>>
    constexpr span(Array &&array) noexcept : data_(std::data(array)), size_(std::size(array)) {}

    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }
    constexpr T &operator[](std::size_t i) const noexcept { return data_[i]; }

private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};
#endif

// ---- status ----

/// The result of a call; ok is 0. After an argument error no output has been written. After a data error (nonfinite,
/// infeasible) the rows before the first bad one are complete, and that row and all later ones are untouched.
enum class [[nodiscard]] status : imle_status {
    ok = IMLE_OK,
    null = IMLE_ERR_NULL,
    shape = IMLE_ERR_SHAPE, // also if a span is too short for the shape
    stride = IMLE_ERR_STRIDE,
    workspace = IMLE_ERR_WORKSPACE,
    option = IMLE_ERR_OPTION,
    nonfinite = IMLE_ERR_NONFINITE,
    infeasible = IMLE_ERR_INFEASIBLE,
    overlap = IMLE_ERR_OVERLAP,
    version = IMLE_ERR_VERSION,
};

/// One English sentence that describes the status.
inline const char *message(status s) noexcept {
    return imle_status_message(static_cast<imle_status>(s));
}

#if defined(__cpp_exceptions)
#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wweak-vtables" // a layer of headers has no file for the table of virtual functions
#endif
/// The exception that or_throw throws.
class error : public std::exception {
public:
    explicit error(status s) noexcept : status_(s) {}
    const char *what() const noexcept override { return message(status_); }
    status code() const noexcept { return status_; }

private:
    status status_;
};
#if defined(__clang__)
#pragma clang diagnostic pop
#endif

/// Turns an error into an exception: or_throw(layer.sample(...)).
inline void or_throw(status s) {
    if (s != status::ok) {
        throw error(s);
    }
}
#endif

// ---- shape, options, key ----

/// The sizes of a call. The defaults are one row, k = 1 and one sample; n has no default and must be set.
class shape {
public:
    constexpr shape &rows(std::uint32_t b) noexcept { c_.rows = b; return *this; }
    constexpr shape &n(std::uint32_t n) noexcept { c_.n = n; return *this; }
    constexpr shape &k(std::uint32_t k) noexcept { c_.k = k; return *this; }
    constexpr shape &samples(std::uint32_t s) noexcept { c_.samples = s; return *this; }
    /// Sentences of so many words, for trees: k = words and n = words * words.
    constexpr shape &words(std::uint32_t words) noexcept { return k(words).n(words * words); }
    constexpr const imle_shape &c() const noexcept { return c_; }

private:
    imle_shape c_{1, 0, 1, 1};
};

enum class noise : std::uint32_t {
    none = IMLE_NOISE_NONE,
    gumbel = IMLE_NOISE_GUMBEL,
    logistic = IMLE_NOISE_LOGISTIC,
    normal = IMLE_NOISE_NORMAL,
    sum_of_gamma = IMLE_NOISE_SUM_OF_GAMMA,
};

enum class target : std::uint32_t { linear = IMLE_TARGET_LINEAR, combinatorial = IMLE_TARGET_COMBINATORIAL };

enum class difference : std::uint32_t { forward = IMLE_DIFFERENCE_FORWARD, central = IMLE_DIFFERENCE_CENTRAL };

enum class scale : std::uint32_t { inverse_lambda = IMLE_SCALE_INVERSE_LAMBDA, none = IMLE_SCALE_NONE };

enum class coupling : std::uint32_t { independent = IMLE_COUPLING_INDEPENDENT, stratified = IMLE_COUPLING_STRATIFIED };

/// The noise and the estimator. The defaults are those of imle_options_default.
class options {
public:
    options() noexcept { imle_options_default(&c_); }

    options &noise(imle::noise law) noexcept { c_.noise = static_cast<std::uint32_t>(law); return *this; }
    /// Sum-of-Gamma noise of `terms` terms, or its limit with IMLE_SOG_TERMS_INFINITE. kappa = 0 means the row's k.
    options &sum_of_gamma(std::uint32_t terms = 10, float kappa = 0) noexcept {
        c_.sog_terms = terms;
        c_.sog_kappa = kappa;
        return noise(imle::noise::sum_of_gamma);
    }
    options &temperature(float tau) noexcept { c_.temperature = tau; return *this; }
    options &target_temperature(float tau) noexcept { c_.target_temperature = tau; return *this; }
    options &alpha(float alpha) noexcept { c_.alpha = alpha; return *this; }
    options &lambda(float lambda) noexcept { c_.lambda = lambda; return *this; }
    options &target(imle::target form) noexcept { c_.target = static_cast<std::uint32_t>(form); return *this; }
    options &difference(imle::difference kind) noexcept {
        c_.difference = static_cast<std::uint32_t>(kind);
        return *this;
    }
    options &scale(imle::scale c) noexcept { c_.scale = static_cast<std::uint32_t>(c); return *this; }
    options &coupling(imle::coupling of_samples) noexcept {
        c_.coupling = static_cast<std::uint32_t>(of_samples);
        return *this;
    }
    const imle_options &c() const noexcept { return c_; }

private:
    imle_options c_;
};

/// Selects the trees. By default, as in imle_tree_options_default, arcs may cross and there may be several roots.
class tree_options {
public:
    tree_options() noexcept { imle_tree_options_default(&c_); }

    tree_options &projective(bool no_crossing = true) noexcept { c_.projective = no_crossing; return *this; }
    tree_options &single_root(bool one = true) noexcept { c_.single_root = one; return *this; }
    const imle_tree_options &c() const noexcept { return c_; }

private:
    imle_tree_options c_;
};

/// Selects the noise: that of a coordinate is a pure function of seed, step, the numbers of its row and its sample, its
/// place in the row, and the options. Everything is 0 by default.
class key {
public:
    constexpr key &seed(std::uint64_t run) noexcept { c_.seed = run; return *this; }
    constexpr key &step(std::uint64_t iteration) noexcept { c_.step = iteration; return *this; }
    /// The number of the call's first row in the batch. With it a batch that is cut over threads or hosts gives the
    /// same bits as the whole batch.
    constexpr key &row0(std::uint64_t row) noexcept { c_.row0 = row; return *this; }
    /// The numbers of the call's rows, if they do not follow one another: those of a shuffled or distributed batch. row0
    /// is added to them. The key keeps the view, not a copy. Fewer ids than rows, also none at all, are status::shape.
    constexpr key &row_ids(span<const std::uint64_t> ids) noexcept {
        c_.row_ids = ids.data();
        ids_ = ids.size();
        return *this;
    }
    /// The number of the call's first sample, and with stratified noise the number of samples of the whole batch.
    constexpr key &samples(std::uint32_t first, std::uint32_t strata = 0) noexcept {
        c_.sample0 = first;
        c_.strata = strata;
        return *this;
    }
    constexpr const imle_key &c() const noexcept { return c_; }
    constexpr bool fits(const shape &s) const noexcept { return ids_ >= s.c().rows; }

private:
    imle_key c_{0, 0, 0, nullptr, 0, 0};
    std::size_t ids_ = SIZE_MAX; // without ids, a key fits any number of rows
};

// ---- sizes against shapes ----

namespace detail {

// The number of elements that `count` blocks span when their starts are `stride` apart. (These functions may overflow;
// the C function refuses such sizes.)
constexpr std::size_t extent(std::size_t count, std::size_t stride, std::size_t block) noexcept {
    return count == 0 ? 0 : (count - 1) * stride + block;
}

// The number of elements in B blocks of `each`.
constexpr std::size_t per_row(const shape &s, std::size_t each) noexcept {
    return s.c().rows * each;
}

// The number of elements in B S blocks of `each`.
constexpr std::size_t per_state(const shape &s, std::size_t each) noexcept {
    return s.c().rows * each * s.c().samples;
}

// A span without memory fits: the C function decides if that array may be missing.
template <class T>
constexpr bool fits(span<T> data, std::size_t needed) noexcept {
    return data.data() == nullptr || data.size() >= needed;
}

} // namespace detail

// ---- views ----

/// An array [B][N] whose row b starts at b * stride; stride 0 means that there are no gaps between rows. Converts from
/// any array; {array, stride} sets the stride.
template <class T>
class rows {
public:
    constexpr rows(span<T> data, std::size_t stride) noexcept : data_(data), stride_(stride) {}

    template <class Array, class = std::enable_if_t<std::is_convertible_v<Array &&, span<T>>>>
    constexpr rows(Array &&array) noexcept : data_(array), stride_(0) {}

    constexpr T *data() const noexcept { return data_.data(); }
    constexpr std::size_t stride() const noexcept { return stride_; }
    constexpr bool fits(const shape &s) const noexcept {
        const std::size_t n = s.c().n;
        return detail::fits(data_, detail::extent(s.c().rows, stride_ == 0 ? n : stride_, n));
    }

private:
    span<T> data_;
    std::size_t stride_;
};

/// dz, the gradient of each row's own loss with respect to z. Take a mean over the batch after the layer: lambda
/// multiplies dz, so a dz that is divided by B would need another lambda.
class dz {
public:
    /// [B][S][N]: one gradient per sample.
    static constexpr dz per_sample(span<const float> data) noexcept { return dz(data, 0, 0, true); }

    /// [B][N]: one gradient per row, shared by its samples.
    static constexpr dz shared(span<const float> data) noexcept { return dz(data, 0, 0, false); }

    /// Element (b, s, i) is data[b * row_stride + s * sample_stride + i]. As in imle.h, row_stride 0 means rows without
    /// gaps, and sample_stride 0 means one gradient per row, shared by its samples.
    static constexpr dz strided(span<const float> data, std::size_t row_stride, std::size_t sample_stride) noexcept {
        return dz(data, row_stride, sample_stride, false);
    }

    constexpr const float *data() const noexcept { return data_.data(); }
    constexpr std::size_t row_stride() const noexcept { return row_stride_; }
    constexpr std::size_t sample_stride(const shape &s) const noexcept {
        return per_sample_ ? s.c().n : sample_stride_;
    }
    constexpr bool fits(const shape &s) const noexcept {
        const std::size_t n = s.c().n;
        const std::size_t sample = sample_stride(s);
        const std::size_t row = sample == 0 ? n : detail::extent(s.c().samples, sample, n);
        const std::size_t contiguous = sample == 0 ? n : s.c().samples * sample;
        return detail::fits(data_, detail::extent(s.c().rows, row_stride_ == 0 ? contiguous : row_stride_, row));
    }

private:
    constexpr dz(span<const float> data, std::size_t row, std::size_t sample, bool per_sample) noexcept
        : data_(data), row_stride_(row), sample_stride_(sample), per_sample_(per_sample) {}

    span<const float> data_;
    std::size_t row_stride_;
    std::size_t sample_stride_;
    bool per_sample_;
};

/// Scratch memory for one call at a time, at least workspace_len() floats. Its contents mean nothing.
class workspace {
public:
    template <class Array, class = std::enable_if_t<std::is_convertible_v<Array &&, span<float>>>>
    constexpr workspace(Array &&array) noexcept : data_(array) {}

    constexpr float *data() const noexcept { return data_.data(); }
    constexpr std::size_t size() const noexcept { return data_.size(); }

private:
    span<float> data_;
};

/// The outputs of map: z [B][N] and indices [B][K], at least one of them.
struct states {
    span<float> z{};
    span<std::uint32_t> indices{};

    constexpr bool fits(const shape &s) const noexcept {
        return detail::fits(z, detail::per_row(s, s.c().n)) && detail::fits(indices, detail::per_row(s, s.c().k));
    }
};

/// The outputs of sample: z [B][S][N], indices [B][S][K] and marginals [B][N], at least one of them.
struct draws {
    span<float> z{};
    span<std::uint32_t> indices{};
    span<float> marginals{};

    constexpr bool fits(const shape &s) const noexcept {
        return detail::fits(z, detail::per_state(s, s.c().n)) && detail::fits(indices, detail::per_state(s, s.c().k)) &&
               detail::fits(marginals, detail::per_row(s, s.c().n));
    }
};

/// The outputs of exact::sample: z [B][S][N] and indices [B][S][K], at least one of them.
struct exact_draws {
    span<float> z{};
    span<std::uint32_t> indices{};

    constexpr bool fits(const shape &s) const noexcept { return draws{z, indices, {}}.fits(s); }
};

/// The outputs of exact::marginals: marginals [B][N], log_partition [B] and entropy [B], at least one of them.
struct moments {
    span<float> marginals{};
    span<float> log_partition{};
    span<float> entropy{};

    constexpr bool fits(const shape &s) const noexcept {
        return detail::fits(marginals, detail::per_row(s, s.c().n)) && detail::fits(log_partition, s.c().rows) &&
               detail::fits(entropy, s.c().rows);
    }
};

/// Counts of the states that a gradient compared.
using diagnostics = imle_diagnostics;

/// The side of theta on which a target lies: minus is alpha theta - lambda dz, where the loss is lower, and plus is
/// alpha theta + lambda dz. The numbers are those that imle_target takes.
enum class side : std::int32_t { plus = -1, minus = 1 };

// ---- layers ----

namespace detail {

struct topk_calls {
    static constexpr bool per_row_k = true, of_trees = false;
    static constexpr auto workspace_len = imle_topk_workspace_len;
    static constexpr auto find_bad_row = imle_topk_find_bad_row;
    static constexpr auto map = imle_topk_map;
    static constexpr auto sample = imle_topk_sample;
    static constexpr auto gradient = imle_topk_gradient;
    static constexpr auto fenchel_young = imle_topk_fenchel_young;
};

struct argmax_calls {
    static constexpr bool per_row_k = false, of_trees = false;
    static constexpr auto workspace_len = imle_argmax_workspace_len;
    static constexpr auto find_bad_row = imle_argmax_find_bad_row;
    static constexpr auto map = imle_argmax_map;
    static constexpr auto sample = imle_argmax_sample;
    static constexpr auto gradient = imle_argmax_gradient;
    static constexpr auto fenchel_young = imle_argmax_fenchel_young;
};

struct tree_calls {
    static constexpr bool per_row_k = false, of_trees = true;
    static constexpr auto workspace_len = imle_tree_workspace_len;
    static constexpr auto map = imle_tree_map;
    static constexpr auto sample = imle_tree_sample;
    static constexpr auto gradient = imle_tree_gradient;
    static constexpr auto fenchel_young = imle_tree_fenchel_young;
};

struct exact_topk_calls {
    static constexpr bool per_row_k = true, of_trees = false;
    static constexpr auto workspace_len = imle_topk_exact_workspace_len;
    static constexpr auto marginals = imle_topk_marginals;
    static constexpr auto marginals_vjp = imle_topk_marginals_vjp;
    static constexpr auto sample = imle_topk_sample_exact;
    static constexpr auto log_prob = imle_topk_log_prob;
    static constexpr auto kl = imle_topk_kl;
    static constexpr auto simple = imle_topk_simple;
    static constexpr auto score_function = imle_topk_score_function;
    static constexpr auto unbiased_simple = imle_topk_unbiased_simple;
};

struct exact_argmax_calls {
    static constexpr bool per_row_k = false, of_trees = false;
    static constexpr auto workspace_len = imle_argmax_exact_workspace_len;
    static constexpr auto marginals = imle_argmax_marginals;
    static constexpr auto marginals_vjp = imle_argmax_marginals_vjp;
    static constexpr auto sample = imle_argmax_sample_exact;
    static constexpr auto log_prob = imle_argmax_log_prob;
    static constexpr auto kl = imle_argmax_kl;
    static constexpr auto simple = imle_argmax_simple;
    static constexpr auto score_function = imle_argmax_score_function;
    static constexpr auto unbiased_simple = imle_argmax_unbiased_simple;
};

struct exact_tree_calls {
    static constexpr bool per_row_k = false, of_trees = true;
    static constexpr auto workspace_len = imle_tree_exact_workspace_len;
    static constexpr auto marginals = imle_tree_marginals;
    static constexpr auto marginals_vjp = imle_tree_marginals_vjp;
    static constexpr auto sample = imle_tree_sample_exact;
    static constexpr auto log_prob = imle_tree_log_prob;
    static constexpr auto kl = imle_tree_kl;
    static constexpr auto simple = imle_tree_simple;
    static constexpr auto score_function = imle_tree_score_function;
    static constexpr auto unbiased_simple = imle_tree_unbiased_simple;
};

// Calls the C functions of a family with the layer's shape and, if they take it, its k per row, or words per row and
// options of trees.
template <class Calls>
class family {
public:
    /// The floats of workspace that each call needs; 0 if the shape is invalid.
    std::size_t workspace_len() const noexcept {
        if constexpr (Calls::of_trees) {
            return Calls::workspace_len(&shape_.c(), &trees_.c());
        } else {
            return Calls::workspace_len(&shape_.c());
        }
    }

protected:
    explicit family(const imle::shape &shape) noexcept : shape_(shape) {}

    template <class... Views>
    bool fit(const Views &...views) const noexcept {
        return fits(k_row_, shape_.c().rows) && (views.fits(shape_) && ...);
    }

    template <class Function, class... Arguments>
    status call(Function *function, Arguments... arguments) const noexcept {
        if constexpr (Calls::of_trees) {
            return status{function(&shape_.c(), k_row_.data(), &trees_.c(), arguments...)};
        } else if constexpr (Calls::per_row_k) {
            return status{function(&shape_.c(), k_row_.data(), arguments...)};
        } else {
            return status{function(&shape_.c(), arguments...)};
        }
    }

    imle::shape shape_;
    span<const std::uint32_t> k_row_;
    tree_options trees_;
};

} // namespace detail

/// The calls that topk, argmax and tree have in common.
template <class Calls>
class choice : public detail::family<Calls> {
public:
    explicit choice(const imle::shape &shape, const imle::options &options = {}) noexcept
        : detail::family<Calls>(shape), options_(options) {}

    /// Sets row to the first row that sample would refuse, and gradient too if dz is given; B if all rows are good.
    status find_bad_row(const rows<const float> &theta, const dz &dz, std::uint32_t &row) const noexcept {
        return !fit(theta, dz) ? status::shape
                               : call(Calls::find_bad_row, theta.data(), theta.stride(), dz.data(), dz.row_stride(),
                                      dz.sample_stride(shape_), &row);
    }

    /// z = MAP(theta), the choice at test time. The shape's S is ignored.
    status map(const rows<const float> &theta, const states &out, const workspace &work) const noexcept {
        return !fit(theta, out) ? status::shape
                                : call(Calls::map, theta.data(), theta.stride(), out.z.data(), out.indices.data(),
                                       work.data(), work.size());
    }

    /// The forward pass: z_s = MAP(theta + tau eps_s). The marginals are the mean of z_s over the samples.
    status sample(const key &key, const rows<const float> &theta, const draws &out,
                  const workspace &work) const noexcept {
        return !fit(key, theta, out) ? status::shape
                                : call(Calls::sample, &options_.c(), &key.c(), theta.data(), theta.stride(),
                                       out.z.data(), out.indices.data(), out.marginals.data(), work.data(),
                                       work.size());
    }

    /// The backward pass: grad_theta = c (1/S) sum_s (z_s - z'_s), where c is 1 / lambda or 1 (options.scale). indices
    /// are those that sample returned for the same key, or {} to draw the samples again.
    status gradient(const key &key, const rows<const float> &theta, const dz &dz, span<const std::uint32_t> indices,
                    const rows<float> &grad_theta, const workspace &work,
                    diagnostics *counts = nullptr) const noexcept {
        const bool listed = detail::fits(indices, detail::per_state(shape_, shape_.c().k));
        return !(listed && fit(key, theta, dz, grad_theta))
                   ? status::shape
                   : call(Calls::gradient, &options_.c(), &key.c(), theta.data(), theta.stride(), dz.data(),
                          dz.row_stride(), dz.sample_stride(shape_), indices.data(), grad_theta.data(),
                          grad_theta.stride(), counts, work.data(), work.size());
    }

    /// loss [B] = (1/S) sum_s max_z <z, theta + tau eps_s> - <theta, y>, and grad_theta = (1/S) sum_s z_s - y, its
    /// gradient. Each row of y [B][N] is an observed state or a mean of states.
    status fenchel_young(const key &key, const rows<const float> &theta, const rows<const float> &y, span<float> loss,
                         const rows<float> &grad_theta, const workspace &work) const noexcept {
        return !(fit(key, theta, y, grad_theta) && detail::fits(loss, shape_.c().rows))
                   ? status::shape
                   : call(Calls::fenchel_young, &options_.c(), &key.c(), theta.data(), theta.stride(), y.data(),
                          y.stride(), loss.data(), grad_theta.data(), grad_theta.stride(), work.data(), work.size());
    }

protected:
    using detail::family<Calls>::call, detail::family<Calls>::fit, detail::family<Calls>::shape_;

private:
    imle::options options_;
};

/// Chooses k of n: z = 1 at the k largest scores.
class topk : public choice<detail::topk_calls> {
public:
    using choice::choice;

    /// Row b chooses k_row[b], at most the shape's k. The layer keeps the view, not a copy.
    topk &k_row(span<const std::uint32_t> ks) noexcept { k_row_ = ks; return *this; }
};

/// Chooses one of n: z = 1 at the largest score. The shape's k must be 1.
class argmax : public choice<detail::argmax_calls> {
public:
    using choice::choice;
};

/// Chooses the best dependency tree of a sentence: theta and z are matrices of words x words, element (h, d) is the arc
/// from head h to word d, and the diagonal has the arcs from the root. shape::words sets the sizes.
class tree : public choice<detail::tree_calls> {
public:
    explicit tree(const imle::shape &shape, const imle::options &options = {}, const tree_options &trees = {}) noexcept
        : choice(shape, options) {
        trees_ = trees;
    }

    /// Row b has n_row[b] words, at most the shape's. The layer keeps the view, not a copy.
    tree &n_row(span<const std::uint32_t> words) noexcept { k_row_ = words; return *this; }

    /// As for topk, but it needs workspace.
    status find_bad_row(const rows<const float> &theta, const dz &dz, std::uint32_t &row,
                        const workspace &work) const noexcept {
        return !fit(theta, dz) ? status::shape
                               : call(imle_tree_find_bad_row, theta.data(), theta.stride(), dz.data(), dz.row_stride(),
                                      dz.sample_stride(shape_), &row, work.data(), work.size());
    }

    /// heads [B][S][K] of trees given as indices [B][S][K]: heads[d] = h, d itself for a word that hangs from the root,
    /// UINT32_MAX beyond the words of the row.
    status heads(span<const std::uint32_t> indices, span<std::uint32_t> heads) const noexcept {
        const std::size_t lists = detail::per_state(shape_, shape_.c().k);
        return !(fit() && detail::fits(indices, lists) && detail::fits(heads, lists))
                   ? status::shape
                   : status{imle_tree_heads(&shape_.c(), k_row_.data(), indices.data(), heads.data())};
    }
};

/// The calls that exact_topk, exact_argmax and exact_tree have in common. p(z) is proportional to
/// exp(<z, theta> / temperature).
template <class Calls>
class exact : public detail::family<Calls> {
public:
    explicit exact(const imle::shape &shape, float temperature = 1.0f) noexcept
        : detail::family<Calls>(shape), temperature_(temperature) {}

    /// marginals = E[z], log_partition = ln sum over z of exp(<z, theta> / temperature), and the entropy of p, in nats.
    /// The shape's S is ignored.
    status marginals(const rows<const float> &theta, const moments &out, const workspace &work) const noexcept {
        return !fit(theta, out) ? status::shape
                                : call(Calls::marginals, temperature_, theta.data(), theta.stride(),
                                       out.marginals.data(), out.log_partition.data(), out.entropy.data(), work.data(),
                                       work.size());
    }

    /// out [B][N] = the gradient of <v, E[z]> with respect to theta. The shape's S is ignored.
    status marginals_vjp(const rows<const float> &theta, const rows<const float> &v, span<float> out,
                         const workspace &work) const noexcept {
        return !(fit(theta, v) && detail::fits(out, detail::per_row(shape_, shape_.c().n)))
                   ? status::shape
                   : call(Calls::marginals_vjp, temperature_, theta.data(), theta.stride(), v.data(), v.stride(),
                          out.data(), work.data(), work.size());
    }

    /// Draws the samples z_s from p, independent of one another.
    status sample(const key &key, const rows<const float> &theta, const exact_draws &out,
                  const workspace &work) const noexcept {
        return !fit(key, theta, out) ? status::shape
                                : call(Calls::sample, temperature_, &key.c(), theta.data(), theta.stride(),
                                       out.z.data(), out.indices.data(), work.data(), work.size());
    }

    /// log_prob [B][S] = ln p(z_s). The states come as indices [B][S][K].
    status log_prob(const rows<const float> &theta, span<const std::uint32_t> indices, span<float> log_prob,
                    const workspace &work) const noexcept {
        const bool listed = detail::fits(indices, detail::per_state(shape_, shape_.c().k));
        return !(listed && fit(theta) && detail::fits(log_prob, detail::per_state(shape_, 1)))
                   ? status::shape
                   : call(Calls::log_prob, temperature_, theta.data(), theta.stride(), indices.data(), log_prob.data(),
                          work.data(), work.size());
    }

    /// kl [B] = KL(p || q), where q is the distribution with the scores theta_other. The shape's S is ignored.
    status kl(const rows<const float> &theta, const rows<const float> &theta_other, span<float> kl,
              const workspace &work) const noexcept {
        return !(fit(theta, theta_other) && detail::fits(kl, shape_.c().rows))
                   ? status::shape
                   : call(Calls::kl, temperature_, theta.data(), theta.stride(), theta_other.data(),
                          theta_other.stride(), kl.data(), work.data(), work.size());
    }

    /// grad_theta = (1 / temperature) Cov(z) (1/S) sum_s dz_s, where dz_s is the gradient of the loss at a z_s that
    /// `sample` drew.
    status simple(const rows<const float> &theta, const dz &dz, const rows<float> &grad_theta,
                  const workspace &work) const noexcept {
        return !fit(theta, dz, grad_theta)
                   ? status::shape
                   : call(Calls::simple, temperature_, theta.data(), theta.stride(), dz.data(), dz.row_stride(),
                          dz.sample_stride(shape_), grad_theta.data(), grad_theta.stride(), work.data(), work.size());
    }

    /// The score-function estimator of p with a leave-one-out baseline. losses [B][S] are those of the states that
    /// `sample` drew; indices [B][S][K] are these states.
    status score_function(const rows<const float> &theta, span<const std::uint32_t> indices,
                          span<const float> losses, const rows<float> &grad_theta) const noexcept {
        const bool listed = detail::fits(indices, detail::per_state(shape_, shape_.c().k));
        return !(listed && fit(theta, grad_theta) && detail::fits(losses, detail::per_state(shape_, 1)))
                   ? status::shape
                   : call(Calls::score_function, temperature_, theta.data(), theta.stride(), indices.data(),
                          losses.data(), grad_theta.data(), grad_theta.stride());
    }

    /// `simple`, corrected by the score function of what dz does not explain: unbiased. indices [B][S][K] are the states
    /// that `sample` drew; dz and losses [B][S] are theirs.
    status unbiased_simple(const rows<const float> &theta, span<const std::uint32_t> indices, const dz &dz,
                           span<const float> losses, const rows<float> &grad_theta,
                           const workspace &work) const noexcept {
        const bool listed = detail::fits(indices, detail::per_state(shape_, shape_.c().k));
        return !(listed && fit(theta, dz, grad_theta) && detail::fits(losses, detail::per_state(shape_, 1)))
                   ? status::shape
                   : call(Calls::unbiased_simple, temperature_, theta.data(), theta.stride(), indices.data(), dz.data(),
                          dz.row_stride(), dz.sample_stride(shape_), losses.data(), grad_theta.data(),
                          grad_theta.stride(), work.data(), work.size());
    }

protected:
    using detail::family<Calls>::call, detail::family<Calls>::fit, detail::family<Calls>::shape_;

    float temperature_;
};

/// The distribution on the k-subsets of n.
class exact_topk : public exact<detail::exact_topk_calls> {
public:
    using exact::exact;

    /// log_partitions [B][K+1] = A_k, the log-partition of the states with k ones, for k = 0 to the shape's K: p(k)
    /// proportional to exp(A_k) is the law of a k that is itself chosen. S and k_row are ignored.
    status log_partitions(const rows<const float> &theta, span<float> log_partitions,
                          const workspace &work) const noexcept {
        return !(theta.fits(shape_) && detail::fits(log_partitions, detail::per_row(shape_, sizes().c().n)))
                   ? status::shape
                   : status{imle_topk_log_partitions(&shape_.c(), temperature_, theta.data(), theta.stride(),
                                                     log_partitions.data(), work.data(), work.size())};
    }

    /// out [B][N] = the gradient of sum_k v_k A_k with respect to theta, for v [B][K+1]. S and k_row are ignored.
    status log_partitions_vjp(const rows<const float> &theta, const rows<const float> &v, span<float> out,
                              const workspace &work) const noexcept {
        return !(theta.fits(shape_) && v.fits(sizes()) && detail::fits(out, detail::per_row(shape_, shape_.c().n)))
                   ? status::shape
                   : status{imle_topk_log_partitions_vjp(&shape_.c(), temperature_, theta.data(), theta.stride(),
                                                         v.data(), v.stride(), out.data(), work.data(), work.size())};
    }

    /// Row b chooses k_row[b], at most the shape's k. The layer keeps the view, not a copy.
    exact_topk &k_row(span<const std::uint32_t> ks) noexcept { k_row_ = ks; return *this; }

private:
    // The shape of [B][K+1].
    imle::shape sizes() const noexcept { return imle::shape(shape_).n(shape_.c().k + 1); }
};

/// The distribution on one-hot states, the softmax. The shape's k must be 1.
class exact_argmax : public exact<detail::exact_argmax_calls> {
public:
    using exact::exact;
};

/// The distribution on the dependency trees of a sentence, with theta and z as tree has them.
class exact_tree : public exact<detail::exact_tree_calls> {
public:
    explicit exact_tree(const imle::shape &shape, float temperature = 1.0f, const tree_options &trees = {}) noexcept
        : exact(shape, temperature) {
        trees_ = trees;
    }

    /// Row b has n_row[b] words, at most the shape's. The layer keeps the view, not a copy.
    exact_tree &n_row(span<const std::uint32_t> words) noexcept { k_row_ = words; return *this; }
};

/// Any other set of states: your solver finds MAP(scores) for the scores [B][S][N] that perturb and target write.
class own_solver {
public:
    explicit own_solver(const imle::shape &shape, const imle::options &options = {}) noexcept
        : shape_(shape), options_(options) {}

    /// scores = theta + tau eps_s. Your solver finds z_s for them.
    status perturb(const key &key, const rows<const float> &theta, span<float> scores) const noexcept {
        return !(key.fits(shape_) && theta.fits(shape_) && fits(scores))
                   ? status::shape
                   : status{imle_perturb(&shape_.c(), &options_.c(), &key.c(), theta.data(), theta.stride(),
                                         scores.data())};
    }

    /// scores = theta'_s + tau' eps_s, with the eps_s of perturb for the same key. Your solver finds z'_s for them.
    status target(const key &key, side side, const rows<const float> &theta, const dz &dz,
                  span<float> scores) const noexcept {
        return !(key.fits(shape_) && theta.fits(shape_) && dz.fits(shape_) && fits(scores))
                   ? status::shape
                   : status{imle_target(&shape_.c(), &options_.c(), &key.c(), static_cast<std::int32_t>(side),
                                        theta.data(), theta.stride(), dz.data(), dz.row_stride(),
                                        dz.sample_stride(shape_), scores.data())};
    }

    /// grad_theta = c (1/S) sum_s (z_s - z'_s), where c is 1 / lambda or 1 (options.scale). z and z_target are states
    /// [B][S][N]. Counts them if asked to.
    status difference(span<const float> z, span<const float> z_target, const rows<float> &grad_theta,
                      diagnostics *counts = nullptr) const noexcept {
        return !(fits(z) && fits(z_target) && grad_theta.fits(shape_))
                   ? status::shape
                   : status{imle_difference(&shape_.c(), &options_.c(), z.data(), z_target.data(), grad_theta.data(),
                                            grad_theta.stride(), counts)};
    }

    /// epsilon [B][S][N] = eps_s, not yet multiplied by tau.
    status noise(const key &key, span<float> epsilon) const noexcept {
        return !(key.fits(shape_) && fits(epsilon)) ? status::shape
                              : status{imle_noise(&shape_.c(), &options_.c(), &key.c(), epsilon.data())};
    }

private:
    // Has room for states [B][S][N].
    bool fits(span<const float> states) const noexcept {
        return detail::fits(states, detail::per_state(shape_, shape_.c().n));
    }

    imle::shape shape_;
    imle::options options_;
};

// ---- estimators without a solver ----

/// grad_theta = (1/S) sum_s dz_s, 0 where theta is masked.
inline status straight_through(const shape &shape, const rows<const float> &theta, const dz &dz,
                               const rows<float> &grad_theta) noexcept {
    return !(theta.fits(shape) && dz.fits(shape) && grad_theta.fits(shape))
               ? status::shape
               : status{imle_straight_through(&shape.c(), theta.data(), theta.stride(), dz.data(), dz.row_stride(),
                                              dz.sample_stride(shape), grad_theta.data(), grad_theta.stride())};
}

/// The score-function estimator of the noise with a leave-one-out baseline. losses [B][S] are those of the samples that
/// any layer drew with the same key and options.
inline status perturbed_gradient(const shape &shape, const options &options, const key &key,
                                 const rows<const float> &theta, span<const float> losses,
                                 const rows<float> &grad_theta) noexcept {
    return !(key.fits(shape) && theta.fits(shape) && detail::fits(losses, detail::per_state(shape, 1)) && grad_theta.fits(shape))
               ? status::shape
               : status{imle_perturbed_gradient(&shape.c(), &options.c(), &key.c(), theta.data(), theta.stride(),
                                                losses.data(), grad_theta.data(), grad_theta.stride())};
}

// ---- lambda ----

enum class rule : std::uint32_t { additive = IMLE_ADAPTIVE_ADDITIVE, multiplicative = IMLE_ADAPTIVE_MULTIPLICATIVE };

/// The sums over theta and dz from which lambda is computed. They start from zeros and add up over threads, hosts and
/// micro-batches. c() is plain data: four numbers to all-reduce.
class adaptive_parts {
public:
    adaptive_parts() noexcept = default;
    explicit adaptive_parts(const imle_adaptive_parts &parts) noexcept : c_(parts) {}

    const imle_adaptive_parts &c() const noexcept { return c_; }

    /// Adds a block of theta and a block of dz; either may be empty.
    status add(span<const float> theta, span<const float> dz) noexcept {
        return status{imle_adaptive_add(&c_, theta.data(), theta.size(), dz.data(), dz.size())};
    }

    adaptive_parts &operator+=(const adaptive_parts &other) noexcept {
        c_.theta_squared += other.c_.theta_squared;
        c_.dz_squared += other.c_.dz_squared;
        c_.theta_len += other.c_.theta_len;
        c_.theta_nonzero += other.c_.theta_nonzero;
        return *this;
    }

private:
    imle_adaptive_parts c_{};
};

/// Finds lambda = a ||theta|| / ||dz|| by adapting a from batch to batch. The defaults are those of
/// imle_adaptive_default. c() is the whole state, plain data that you can save.
class adaptive {
public:
    adaptive() noexcept { imle_adaptive_default(&c_); }
    /// Goes on from a saved state.
    explicit adaptive(const imle_adaptive &saved) noexcept : c_(saved) {}

    adaptive &rule(imle::rule rule) noexcept { c_.rule = static_cast<std::uint32_t>(rule); return *this; }
    adaptive &a(float a) noexcept { c_.a = a; return *this; }
    adaptive &g(float g) noexcept { c_.g = g; return *this; }
    adaptive &step(float step) noexcept { c_.step = step; return *this; }
    adaptive &momentum(float share) noexcept { c_.momentum = share; return *this; }
    adaptive &decay(float memory) noexcept { c_.decay = memory; return *this; }
    adaptive &target(float g) noexcept { c_.target = g; return *this; }
    adaptive &theta_floor(float least) noexcept { c_.theta_floor = least; return *this; }
    const imle_adaptive &c() const noexcept { return c_; }

    /// Computes lambda for the gradient of this theta and dz; pass all rows and samples. It is 0 if dz is 0: then skip
    /// the gradient, because there is nothing to learn.
    status lambda(span<const float> theta, span<const float> dz, float &lambda) const noexcept {
        return status{imle_adaptive_lambda(&c_, theta.data(), theta.size(), dz.data(), dz.size(), &lambda)};
    }

    /// The same from the sum of a batch's parts.
    status lambda_from(const adaptive_parts &parts, float &lambda) const noexcept {
        return status{imle_adaptive_lambda_from(&c_, &parts.c(), &lambda)};
    }

    /// Adapts a to the counts of the gradient that was computed with this lambda.
    status update(const diagnostics &counts) noexcept { return status{imle_adaptive_update(&c_, &counts)}; }

private:
    imle_adaptive c_;
};

// ---- the library ----

inline std::uint32_t abi_version() noexcept {
    return imle_abi_version();
}

/// The version of the library, such as "0.1.0".
inline const char *version() noexcept {
    return imle_version();
}

/// The instruction set that the library uses on this machine: "avx512", "avx2", "neon" or "portable".
inline const char *kernel() noexcept {
    return imle_kernel();
}

} // inline namespace
} // namespace imle

#endif // IMLE_HPP

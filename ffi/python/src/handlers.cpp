// libimle.jax._handlers: the calls of a batch as handlers of XLA, which run without Python.
//
// A handler gets the operands of its function in this order: the numbers of the layer; for a call with noise, the key
// and the numbers of the rows; the arrays; and the k of each row if the attribute has_k_row is not 0. An operand or a
// result has the dimensions [groups..., rows..., its own]. The rows of a group are one call with numbers and a key of
// its own, which have no dimensions of rows. So calls that vmap has mapped are one call of a handler.

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "xla/ffi/api/ffi.h"

#include "choice.hpp"
#include "exact.hpp"
#include "steps.hpp"

namespace libimle {
namespace {

namespace ffi = xla::ffi;

nb::dlpack::dtype dtype_of(ffi::DataType of) {
    switch (of) {
    case ffi::DataType::F32:
        return nb::dtype<float>();
    case ffi::DataType::U32:
        return nb::dtype<std::uint32_t>();
    default:
        throw std::logic_error("libimle: an operand has the wrong dtype"); // a mistake of this package
    }
}

/// The call of one group.
class call {
public:
    call(const ffi::RemainingArgs &operands, const ffi::RemainingRets &results, const ffi::Dictionary &attributes,
         std::size_t depth, std::size_t group)
        : operands_(operands), results_(results), attributes_(attributes), depth_(depth), group_(group) {
        const array numbers = next();
        std::memcpy(numbers_, numbers.data(), sizeof numbers_);
    }

    // Settings.

    std::uint32_t setting(std::string_view name) const {
        return static_cast<std::uint32_t>(attribute<std::int64_t>(name));
    }
    float temperature() const { return numbers_[0]; }
    float lambda() const { return numbers_[3]; }
    libimle::counts counts() const {
        libimle::counts counts{setting("k"), setting("samples"), setting("threads")};
        if (setting("trees") != 0) {
            counts.trees = imle::tree_options()
                               .projective(setting("projective") != 0)
                               .single_root(setting("single_root") != 0);
        }
        return counts;
    }

    /// The part of a row's and sample's own loss in the whole loss.
    double weight() const {
        const double scale = numbers_[4];
        if (!(scale > 0) || !std::isfinite(scale)) {
            throw refused("loss_scale", "is " + std::to_string(scale) + ", but should be finite and above 0");
        }
        return scale / attribute<std::int64_t>("losses");
    }

    libimle::options options(double lambda) const {
        const auto [tau, target_tau, alpha] = std::tuple(numbers_[0], numbers_[1], numbers_[2]);
        check("temperature", tau, std::isfinite(tau) && tau >= 0, "finite and at least 0");
        check("target_temperature", target_tau, std::isfinite(target_tau) && target_tau >= 0, "finite and at least 0");
        check("alpha", alpha, std::isfinite(alpha), "finite");
        check("lambda_", numbers_[3], std::isfinite(numbers_[3]) && numbers_[3] > 0, "finite and above 0");
        imle::options c;
        c.sum_of_gamma(setting("sog_terms"), attribute<float>("sog_kappa"))
            .noise(imle::noise{setting("noise")})
            .temperature(tau)
            .target_temperature(target_tau)
            .alpha(alpha)
            .lambda(static_cast<float>(lambda))
            .target(imle::target{setting("target")})
            .difference(imle::difference{setting("difference")})
            .scale(imle::scale{setting("scale")})
            .coupling(imle::coupling{setting("coupling")});
        return {c, imle::coupling{setting("coupling")} == imle::coupling::stratified};
    }
    libimle::options options() const { return options(lambda()); }

    // Operands, one after another, and results.

    array next() { return of_group<array>(operands_.get<ffi::AnyBuffer>(place_++).value()); }

    array k_row() { return setting("has_k_row") != 0 ? next() : array(); }

    /// The key, and the numbers of the rows. Each is made of u64 in two words, the lower one first.
    libimle::key key() {
        const array words = next(), ids = next();
        std::uint64_t numbers[3]; // seed, step, row0
        std::uint32_t samples[2]; // sample0, strata
        std::memcpy(numbers, words.data(), sizeof numbers);
        std::memcpy(samples, static_cast<const char *>(words.data()) + sizeof numbers, sizeof samples);
        const imle::key c =
            imle::key().seed(numbers[0]).step(numbers[1]).row0(numbers[2]).samples(samples[0], samples[1]);
        return {c, array(ids.data(), nb::dtype<std::uint64_t>(), ids.ndim() - 1, ids.shape_begin()), nullptr};
    }

    writable result(std::size_t i) const { return of_group<writable>(*results_.get<ffi::AnyBuffer>(i).value()); }

private:
    template <class T>
    T attribute(std::string_view name) const {
        return attributes_.get<T>(name).value();
    }

    static void check(const char *name, float value, bool good, const char *should_be) {
        if (!good) {
            throw refused(name, "is " + std::to_string(value) + ", but should be " + should_be);
        }
    }

    // The group's part of a buffer.
    template <class View>
    View of_group(const ffi::AnyBuffer &buffer) const {
        const std::int64_t *const shape = buffer.dimensions().begin() + depth_;
        const std::size_t dimensions = buffer.dimensions().size() - depth_;
        std::size_t bytes = ffi::ByteWidth(buffer.element_type());
        for (std::size_t i = 0; i < dimensions; i++) {
            bytes *= static_cast<std::size_t>(shape[i]);
        }
        char *const start = static_cast<char *>(buffer.untyped_data()) + group_ * bytes;
        return View(start, dtype_of(buffer.element_type()), dimensions, shape);
    }

    const ffi::RemainingArgs &operands_;
    const ffi::RemainingRets &results_;
    const ffi::Dictionary &attributes_;
    const std::size_t depth_, group_;
    std::size_t place_ = 0;
    float numbers_[5]; // temperature, target temperature, alpha, lambda, the factor of the loss
};

/// Calls a function that is linear in `given`. A row where it is not finite gets NaN, which mixed precision expects.
template <class Function>
void linear(const call &call, const char *name, const array &given, const array &k_row, std::size_t rows,
            const writable &out, Function function) {
    try {
        return function(given);
    } catch (const refused &error) {
        if (error.argument != name) {
            throw;
        }
    }
    const std::size_t block = given.size() / rows, length = out.size() / rows;
    const float *values = static_cast<const float *>(given.data());
    std::vector<float> finite(values, values + given.size());
    std::vector<bool> bad(rows);
    // Of trees, what lies beyond the words of a row is not read.
    const std::size_t words = call.counts().k;
    const bool cut = call.counts().trees && k_row.is_valid() && std::string_view(name) != "losses";
    const auto *const used = static_cast<const std::uint32_t *>(k_row.is_valid() ? k_row.data() : nullptr);
    for (std::size_t i = 0; i < finite.size(); i++) {
        const bool read = !cut || (i / words % words < used[i / block] && i % words < used[i / block]);
        bad[i / block] = bad[i / block] || (read && !std::isfinite(finite[i]));
    }
    for (std::size_t i = 0; i < finite.size(); i++) {
        finite[i] = bad[i / block] ? 0 : finite[i];
    }
    function(array(finite.data(), given.dtype(), given.ndim(), given.shape_begin()));
    float *gradient = static_cast<float *>(out.data());
    for (std::size_t i = 0; i < out.size(); i++) {
        gradient[i] = bad[i / length] ? std::numeric_limits<float>::quiet_NaN() : gradient[i];
    }
}

std::size_t rows_of(const array &theta) { return theta.size() / theta.shape(theta.ndim() - 1); }

// ---- layers that perturb and choose ----

template <class Layer>
void map(call &call) {
    const array theta = call.next(), k_row = call.k_row();
    choice<Layer>(call.options(), call.counts()).map(theta, k_row, call.result(0), call.result(1));
}

template <class Layer>
void sample(call &call) {
    const key key = call.key();
    const array theta = call.next(), k_row = call.k_row();
    choice<Layer>(call.options(), call.counts()).sample(theta, key, k_row, call.result(0), call.result(1), {});
}

/// The gradient of a loss to which each row and sample adds weight times its own. The operand dz is that of the whole
/// loss, weight dz. The layer takes lambda dz, which is (lambda / weight) (weight dz), and divides by lambda / weight.
template <class Layer>
void gradient(call &call) {
    const key key = call.key();
    const array theta = call.next(), given = call.next(), indices = call.next(), k_row = call.k_row();
    const writable grad_theta = call.result(0);
    const double weight = call.weight();
    const bool combinatorial = imle::target{call.setting("target")} == imle::target::combinatorial;
    const bool divided = imle::scale{call.setting("scale")} == imle::scale::inverse_lambda && !combinatorial;
    const choice<Layer> layer(call.options(combinatorial ? call.lambda() : call.lambda() / weight), call.counts());
    linear(call, "dz", given, k_row, rows_of(theta), grad_theta, [&](const array &dz) {
        if (!combinatorial || weight == 1) {
            layer.gradient(theta, dz, key, k_row, indices, grad_theta);
            return;
        }
        // This target compares dz itself with theta.
        const float *values = static_cast<const float *>(dz.data());
        std::vector<float> own(values, values + dz.size());
        for (float &value : own) {
            value = static_cast<float>(value / weight);
        }
        layer.gradient(theta, array(own.data(), dz.dtype(), dz.ndim(), dz.shape_begin()), key, k_row, indices,
                       grad_theta);
    });
    const double factor = call.counts().samples * (divided ? 1 : weight);
    if (factor != 1) {
        float *values = static_cast<float *>(grad_theta.data());
        for (std::size_t i = 0; i < grad_theta.size(); i++) {
            values[i] = static_cast<float>(values[i] * factor);
        }
    }
}

template <class Layer>
void fenchel_young(call &call) {
    const key key = call.key();
    const array theta = call.next(), y = call.next(), k_row = call.k_row();
    choice<Layer>(call.options(), call.counts())
        .fenchel_young(theta, y, key, k_row, call.result(0), call.result(1));
}

// ---- the steps for a solver ----

void perturb(call &call) {
    const key key = call.key();
    const array theta = call.next();
    steps(call.options(), call.counts()).perturb(theta, key, call.result(0));
}

void target(call &call) {
    const key key = call.key();
    const array theta = call.next(), dz = call.next();
    const auto side = static_cast<std::int32_t>(call.setting("side"));
    steps(call.options(), call.counts()).target(theta, dz, key, side, call.result(0));
}

void difference(call &call) {
    const array z = call.next(), z_target = call.next();
    steps(call.options(), call.counts()).difference(z, z_target, call.result(0));
}

// ---- exact distributions ----

/// Calls a function of the distribution.
template <class Law, class Function>
void with(const call &call, Function function) {
    const float temperature = call.temperature();
    if (!(temperature > 0) || !std::isfinite(temperature) || !std::isfinite(1 / temperature)) {
        throw refused("temperature", "is " + std::to_string(temperature) + ", but it and its inverse should be finite "
                                                                           "and above 0");
    }
    function(exact<Law>(temperature, call.counts()));
}

/// The same for that on trees, if the states are trees.
template <class Function>
void with_law(const call &call, Function function) {
    call.counts().trees ? with<imle::exact_tree>(call, function) : with<imle::exact_topk>(call, function);
}

void exact_moment(call &call) {
    const array theta = call.next(), k_row = call.k_row();
    writable moments[3]; // the marginals, the log-partition, the entropy
    moments[call.setting("moment") % 3] = call.result(0);
    with_law(call, [&](const auto &law) { law.marginals(theta, k_row, moments[0], moments[1], moments[2]); });
}

void exact_marginals_vjp(call &call) {
    const array theta = call.next(), given = call.next(), k_row = call.k_row();
    with_law(call, [&](const auto &law) {
        linear(call, "v", given, k_row, rows_of(theta), call.result(0),
               [&](const array &v) { law.marginals_vjp(theta, v, k_row, call.result(0)); });
    });
}

void exact_sample(call &call) {
    const key key = call.key();
    const array theta = call.next(), k_row = call.k_row();
    with_law(call, [&](const auto &law) { law.sample(theta, key, k_row, call.result(0), call.result(1)); });
}

void exact_log_prob(call &call) {
    const array theta = call.next(), indices = call.next(), k_row = call.k_row();
    with_law(call, [&](const auto &law) { law.log_prob(theta, indices, k_row, call.result(0)); });
}

void exact_kl(call &call) {
    const array theta = call.next(), other = call.next(), k_row = call.k_row();
    with_law(call, [&](const auto &law) { law.kl(theta, other, k_row, call.result(0)); });
}

void exact_simple(call &call) {
    const array theta = call.next(), given = call.next(), k_row = call.k_row();
    with_law(call, [&](const auto &law) {
        linear(call, "dz", given, k_row, rows_of(theta), call.result(0),
               [&](const array &dz) { law.simple(theta, dz, k_row, call.result(0)); });
    });
}

void exact_score_function(call &call) {
    const array theta = call.next(), given = call.next(), indices = call.next(), k_row = call.k_row();
    with_law(call, [&](const auto &law) {
        linear(call, "losses", given, k_row, rows_of(theta), call.result(0), [&](const array &losses) {
            law.score_function(theta, indices, losses, k_row, call.result(0));
        });
    });
}

void exact_unbiased_simple(call &call) {
    const array theta = call.next(), dz = call.next(), given = call.next(), indices = call.next(),
                k_row = call.k_row();
    const std::size_t rows = rows_of(theta);
    with_law(call, [&](const auto &law) {
        linear(call, "dz", dz, k_row, rows, call.result(0), [&](const array &dz) {
            linear(call, "losses", given, k_row, rows, call.result(0), [&](const array &losses) {
                law.unbiased_simple(theta, indices, dz, losses, k_row, call.result(0));
            });
        });
    });
}

void exact_log_partitions(call &call) {
    const array theta = call.next();
    with<imle::exact_topk>(call, [&](const auto &law) { law.log_partitions(theta, call.result(0)); });
}

void exact_log_partitions_vjp(call &call) {
    const array theta = call.next(), given = call.next();
    with<imle::exact_topk>(call, [&](const auto &law) {
        linear(call, "v", given, {}, rows_of(theta), call.result(0),
               [&](const array &v) { law.log_partitions_vjp(theta, v, call.result(0)); });
    });
}

// ---- handlers ----

/// Calls a function for each group.
template <void (*function)(call &)>
ffi::Error for_each_group(ffi::RemainingArgs operands, ffi::RemainingRets results, ffi::Dictionary attributes) {
    try {
        if ((*results.get<ffi::AnyBuffer>(0).value()).element_count() == 0) {
            return ffi::Error::Success();
        }
        const auto numbers = operands.get<ffi::AnyBuffer>(0).value().dimensions();
        const std::size_t depth = numbers.size() - 1;
        std::size_t groups = 1;
        for (std::size_t i = 0; i < depth; i++) {
            groups *= static_cast<std::size_t>(numbers[i]);
        }
        for (std::size_t group = 0; group < groups; group++) {
            call of_group(operands, results, attributes, depth, group);
            try {
                function(of_group);
            } catch (const refused &error) {
                const std::string argument = error.argument + (error.argument.empty() ? "" : " "),
                                  mapped = groups == 1 ? "" : " (mapped call " + std::to_string(group) + ")";
                return ffi::Error::InvalidArgument(argument + error.reason + mapped);
            }
        }
        return ffi::Error::Success();
    } catch (const std::exception &error) {
        return ffi::Error::Internal(error.what());
    }
}

template <void (*function)(call &)>
XLA_FFI_Error *handle(XLA_FFI_CallFrame *frame) {
    static auto *const handler =
        ffi::Ffi::Bind().RemainingArgs().RemainingRets().Attrs().To(&for_each_group<function>).release();
    return handler->Call(frame);
}

} // namespace

NB_MODULE(_handlers, module) {
    nb::dict handlers;
    const auto add = [&](const char *name, XLA_FFI_Handler *handler) {
        handlers[name] = nb::capsule(reinterpret_cast<void *>(handler));
    };
    add("topk_map", handle<map<imle::topk>>);
    add("topk_sample", handle<sample<imle::topk>>);
    add("topk_gradient", handle<gradient<imle::topk>>);
    add("topk_fenchel_young", handle<fenchel_young<imle::topk>>);
    add("argmax_map", handle<map<imle::argmax>>);
    add("argmax_sample", handle<sample<imle::argmax>>);
    add("argmax_gradient", handle<gradient<imle::argmax>>);
    add("tree_map", handle<map<imle::tree>>);
    add("tree_sample", handle<sample<imle::tree>>);
    add("tree_gradient", handle<gradient<imle::tree>>);
    add("tree_fenchel_young", handle<fenchel_young<imle::tree>>);
    add("perturb", handle<perturb>);
    add("target", handle<target>);
    add("difference", handle<difference>);
    add("exact_moment", handle<exact_moment>);
    add("exact_marginals_vjp", handle<exact_marginals_vjp>);
    add("exact_sample", handle<exact_sample>);
    add("exact_log_prob", handle<exact_log_prob>);
    add("exact_kl", handle<exact_kl>);
    add("exact_simple", handle<exact_simple>);
    add("exact_score_function", handle<exact_score_function>);
    add("exact_unbiased_simple", handle<exact_unbiased_simple>);
    add("exact_log_partitions", handle<exact_log_partitions>);
    add("exact_log_partitions_vjp", handle<exact_log_partitions_vjp>);
    module.attr("handlers") = handlers;
}

} // namespace libimle

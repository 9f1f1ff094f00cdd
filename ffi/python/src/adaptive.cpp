// The state of an adaptive lambda, and the parts of a batch that is cut.

#include "bindings.hpp"

namespace libimle {
namespace {

/// An array of any shape, seen as one row.
floats flat(const char *name, const array &array) { return {name, array, {}, shape_of(array), floats::layout::packed}; }

/// Turns an error into the exception that names the argument.
void check(imle::status status, const floats &theta, const floats &dz) {
    if (status == imle::status::nonfinite) {
        for (const floats *of : {&theta, &dz}) {
            const bool mask = of == &theta;
            if (of->given() && has_bad_value(*of, 0, mask)) {
                throw refused(of->name(), mask ? "has NaN or +inf" : "has NaN or an infinity");
            }
        }
    }
    if (status != imle::status::ok) {
        throw refused("", imle::message(status));
    }
}

float lambda(const imle_adaptive &adaptive, const array &theta_, const array &dz_) {
    const floats theta = flat("theta", theta_), dz = flat("dz", dz_);
    float lambda = 0;
    check(imle::adaptive(adaptive).lambda(theta.blocks({0, 1}), dz.blocks({0, 1}), lambda), theta, dz);
    return lambda;
}

float lambda_from(const imle_adaptive &adaptive, const imle_adaptive_parts &parts) {
    float lambda = 0;
    check(imle::adaptive(adaptive).lambda_from(imle::adaptive_parts(parts), lambda), {}, {});
    return lambda;
}

void add(imle_adaptive_parts &parts, const array &theta_, const array &dz_) {
    const floats theta = !theta_.is_valid() ? floats() : flat("theta", theta_),
                 dz = !dz_.is_valid() ? floats() : flat("dz", dz_);
    imle::adaptive_parts sum(parts);
    check(sum.add(theta.blocks({0, 1}), dz.blocks({0, 1})), theta, dz);
    parts = sum.c();
}

void update(imle_adaptive &adaptive, std::uint64_t states, std::uint64_t unchanged, std::uint64_t nonzeros) {
    imle::adaptive updated(adaptive);
    check(updated.update({states, unchanged, nonzeros}), {}, {});
    adaptive = updated.c();
}

} // namespace

void bind_adaptive(nb::module_ &module) {
    nb::class_<imle_adaptive>(module, "Adaptive")
        .def("__init__", [](imle_adaptive *self) { new (self) imle_adaptive(imle::adaptive().c()); })
        .def_rw("rule", &imle_adaptive::rule)
        .def_rw("a", &imle_adaptive::a)
        .def_rw("g", &imle_adaptive::g)
        .def_rw("previous", &imle_adaptive::previous)
        .def_rw("step", &imle_adaptive::step)
        .def_rw("momentum", &imle_adaptive::momentum)
        .def_rw("decay", &imle_adaptive::decay)
        .def_rw("target", &imle_adaptive::target)
        .def_rw("theta_floor", &imle_adaptive::theta_floor)
        .def("lambda_for", &lambda)
        .def("lambda_from", &lambda_from)
        .def("update", &update);
    nb::class_<imle_adaptive_parts>(module, "AdaptiveParts")
        .def(nb::init<double, double, std::uint64_t, std::uint64_t>())
        .def_ro("theta_squared", &imle_adaptive_parts::theta_squared)
        .def_ro("dz_squared", &imle_adaptive_parts::dz_squared)
        .def_ro("theta_len", &imle_adaptive_parts::theta_len)
        .def_ro("theta_nonzero", &imle_adaptive_parts::theta_nonzero)
        .def("add", &add, "theta"_a.none(), "dz"_a.none());
}

} // namespace libimle

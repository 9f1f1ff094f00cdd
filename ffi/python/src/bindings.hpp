// Declarations that the files of the bindings share.

#ifndef LIBIMLE_BINDINGS_HPP
#define LIBIMLE_BINDINGS_HPP

#include <mutex>

#include "batch.hpp"

namespace libimle {

using nanobind::literals::operator""_a; // names an argument; .none() lets it be missing

/// The options of a layer.
struct options {
    imle::options c;
    bool stratified;
};

inline imle::rows<const float> rows(const floats &of, const part &part) { return {of.blocks(part), of.row_stride()}; }

/// dz as imle.hpp takes it. A row with one block shares it between its samples.
inline imle::dz gradients(const floats &of, const part &part) {
    return imle::dz::strided(of.blocks(part), of.row_stride(), of.block() == of.row_length() ? 0 : of.sample_stride());
}

inline nb::tuple to_tuple(const sizes &of) {
    nb::list list;
    for (const std::size_t size : of) {
        list.append(size);
    }
    return nb::tuple(list);
}

/// The counts of a gradient, added up over the parts of a batch.
class diagnostics {
public:
    template <class Call>
    imle::status add(Call call) {
        imle::diagnostics of_part{};
        const imle::status result = call(&of_part);
        const std::lock_guard<std::mutex> lock(mutex_);
        sum_.states += of_part.states;
        sum_.unchanged += of_part.unchanged;
        sum_.nonzeros += of_part.nonzeros;
        return result;
    }

    const imle::diagnostics &sum() const { return sum_; }

private:
    std::mutex mutex_;
    imle::diagnostics sum_{};
};

/// For functions that are calls of a batch.
using without_python = nb::call_guard<nb::gil_scoped_release>;

void bind_choices(nb::module_ &module);
void bind_exact(nb::module_ &module);
void bind_steps(nb::module_ &module);
void bind_adaptive(nb::module_ &module);

} // namespace libimle

namespace nanobind::detail {

/// Counts are a tuple in Python.
template <>
struct type_caster<imle_diagnostics> {
    NB_TYPE_CASTER(imle_diagnostics, const_name("tuple"))

    static handle from_cpp(const imle_diagnostics &of, rv_policy, cleanup_list *) noexcept {
        return make_tuple(of.states, of.unchanged, of.nonzeros).release();
    }
};

} // namespace nanobind::detail

#endif // LIBIMLE_BINDINGS_HPP

// Arrays of NumPy, PyTorch and others as the C functions take them: row-major, leading dimensions folded into rows.
// An array is copied only if its strides are not those that the C functions take.

#ifndef LIBIMLE_ARRAYS_HPP
#define LIBIMLE_ARRAYS_HPP

#include <cstddef>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include "imle.hpp"

namespace libimle {

namespace nb = nanobind;

using sizes = std::vector<std::size_t>;

inline std::size_t product(const sizes &of) {
    std::size_t all = 1;
    for (const std::size_t size : of) {
        all *= size;
    }
    return all;
}

/// Writes sizes as Python does: "(4, 10)".
inline std::string text(const sizes &of) {
    std::string tuple = "(";
    for (std::size_t i = 0; i < of.size(); i++) {
        tuple += (i > 0 ? ", " : "") + std::to_string(of[i]);
    }
    return tuple + (of.size() == 1 ? ",)" : ")");
}

/// A range of the rows of a batch.
struct part {
    std::size_t begin, rows;
};

/// An argument that is refused. Python sees it as libimle.Error.
class refused : public std::exception {
public:
    /// row is the place of the bad row among the leading dimensions, empty if no row is to blame.
    refused(std::string argument, std::string reason, sizes row = {})
        : argument(std::move(argument)), reason(std::move(reason)), row(std::move(row)) {}

    const char *what() const noexcept override { return reason.c_str(); }

    const std::string argument, reason;
    const sizes row;
};

/// An array of any framework. It is a view: its maker keeps memory, shape and strides alive while a call lasts.
class array {
public:
    /// An array that was not given.
    array() = default;

    /// An array without gaps, on the CPU.
    array(const void *data, nb::dlpack::dtype dtype, std::size_t dimensions, const std::int64_t *shape)
        : valid_(true), data_(data), dtype_(dtype), dimensions_(dimensions), shape_(shape) {}

    template <class... Config>
    explicit array(const nb::ndarray<Config...> &of) : valid_(of.is_valid()) {
        if (valid_) {
            data_ = of.data();
            dtype_ = of.dtype();
            on_cpu_ = of.device_type() == nb::device::cpu::value;
            dimensions_ = of.ndim();
            shape_ = of.shape_ptr();
            strides_ = of.stride_ptr();
        }
    }

    bool is_valid() const { return valid_; }
    bool is_on_cpu() const { return on_cpu_; }
    const void *data() const { return data_; }
    nb::dlpack::dtype dtype() const { return dtype_; }
    std::size_t ndim() const { return dimensions_; }
    const std::int64_t *shape_begin() const { return shape_; }
    std::size_t shape(std::size_t i) const { return static_cast<std::size_t>(shape_[i]); }
    std::int64_t stride(std::size_t i) const { return strides_ != nullptr ? strides_[i] : product(i + 1); }
    std::size_t size() const { return static_cast<std::size_t>(product(0)); }

private:
    std::int64_t product(std::size_t first) const {
        std::int64_t all = 1;
        for (std::size_t i = first; i < dimensions_; i++) {
            all *= shape_[i];
        }
        return all;
    }

    bool valid_ = false, on_cpu_ = true;
    const void *data_ = nullptr;
    nb::dlpack::dtype dtype_{};
    std::size_t dimensions_ = 0;
    const std::int64_t *shape_ = nullptr, *strides_ = nullptr;
};

inline sizes shape_of(const array &of) {
    sizes shape(of.ndim());
    for (std::size_t i = 0; i < shape.size(); i++) {
        shape[i] = of.shape(i);
    }
    return shape;
}

/// Tells if numbers of this dtype are T, or integers of the other sign with the same bits (PyTorch has few unsigned
/// ones).
template <class T>
bool holds(const nb::dlpack::dtype &of) {
    const nb::dlpack::dtype wanted = nb::dtype<T>();
    const auto is_integer = [](const nb::dlpack::dtype &of) {
        return of.code == static_cast<std::uint8_t>(nb::dlpack::dtype_code::Int) ||
               of.code == static_cast<std::uint8_t>(nb::dlpack::dtype_code::UInt);
    };
    return of == wanted || (is_integer(of) && is_integer(wanted) && of.bits == wanted.bits && of.lanes == wanted.lanes);
}

/// An input of B blocks, [B][S][N] or [B][N]: the array, or a copy of it.
template <class T>
class input {
public:
    enum class layout {
        rows,   // rows of N without gaps, at equal distances of at least N
        packed, // no gaps at all
    };

    /// An input that was not given.
    input() = default;
    input(input &&) = default;
    input &operator=(input &&) = default;

    /// `leading` and `block` are the shape that the array must have: the batch, and what belongs to one row.
    input(const char *name, const array &array, const sizes &leading, const sizes &block, layout wanted)
        : name_(name), array_(array), block_(product(block)) {
        if (!array_.is_on_cpu()) {
            throw refused(name, "is not in the memory of the CPU");
        }
        if (!holds<T>(array_.dtype())) {
            throw refused(name, "has a dtype that the library does not take");
        }
        sizes expected = leading;
        expected.insert(expected.end(), block.begin(), block.end());
        const sizes shape = shape_of(array_);
        if (shape != expected) {
            throw refused(name, "has shape " + text(shape) + ", but should have " + text(expected));
        }
        data_ = static_cast<const T *>(array_.data());
        row_length_ = block.empty() ? 1 : block.back();
        samples_ = row_length_ == 0 ? 0 : block_ / row_length_;
        if (!(wanted == layout::rows ? find_strides(leading.size()) : is_packed())) {
            copy();
        }
    }

    bool given() const { return name_ != nullptr; }
    const char *name() const { return name_; }
    std::size_t row_stride() const { return row_stride_; }
    std::size_t sample_stride() const { return sample_stride_; }
    std::size_t block() const { return block_; }
    std::size_t row_length() const { return row_length_; }

    const T *block(std::size_t row) const { return data_ + row * row_stride_; }

    /// Element i of a row's block, counted as if there were no gaps between samples.
    T value(std::size_t row, std::size_t i) const {
        return block(row)[i / row_length_ * sample_stride_ + i % row_length_];
    }

    /// The blocks of some rows; a span without memory if the input was not given.
    imle::span<const T> blocks(const part &of) const {
        if (!given()) {
            return {};
        }
        const std::size_t last = samples_ == 0 ? 0 : (samples_ - 1) * sample_stride_ + row_length_;
        return {block(of.begin), of.rows == 0 ? 0 : (of.rows - 1) * row_stride_ + last};
    }

private:
    // Finds the strides of layout::rows. Returns false if the array has none.
    bool find_strides(std::size_t dimensions) {
        if (array_.size() == 0) {
            return is_packed();
        }
        const std::size_t last = array_.ndim() - 1;
        const auto least = static_cast<std::int64_t>(row_length_);
        std::int64_t row = static_cast<std::int64_t>(block_), sample = least;
        if (row_length_ > 1 && array_.stride(last) != 1) {
            return false;
        }
        if (samples_ > 1) {
            sample = array_.stride(last - 1);
        }
        // Leading dimensions fold into one if each of them steps over all rows of the next.
        std::size_t folded = 1;
        for (std::size_t i = dimensions; i-- > 0;) {
            const std::size_t size = array_.shape(i);
            if (size == 1) {
                continue;
            }
            if (folded == 1) {
                row = array_.stride(i);
            } else if (array_.stride(i) != row * static_cast<std::int64_t>(folded)) {
                return false;
            }
            folded *= size;
        }
        if (row < least || sample < least) {
            return false;
        }
        row_stride_ = static_cast<std::size_t>(row);
        sample_stride_ = static_cast<std::size_t>(sample);
        return true;
    }

    bool is_packed() {
        row_stride_ = block_;
        sample_stride_ = row_length_;
        std::int64_t next = 1;
        for (std::size_t i = array_.ndim(); i-- > 0;) {
            if (array_.shape(i) == 0) {
                return true;
            }
            if (array_.shape(i) > 1 && array_.stride(i) != next) {
                return false;
            }
            next *= static_cast<std::int64_t>(array_.shape(i));
        }
        return true;
    }

    void copy() {
        const std::size_t dimensions = array_.ndim();
        copy_.reserve(array_.size());
        sizes place(dimensions);
        while (copy_.size() < array_.size()) {
            std::int64_t offset = 0;
            for (std::size_t i = 0; i < dimensions; i++) {
                offset += static_cast<std::int64_t>(place[i]) * array_.stride(i);
            }
            copy_.push_back(data_[offset]);
            for (std::size_t i = dimensions; i-- > 0 && ++place[i] == array_.shape(i);) {
                place[i] = 0;
            }
        }
        data_ = copy_.data();
        row_stride_ = block_;
        sample_stride_ = row_length_;
    }

    const char *name_ = nullptr;
    array array_;
    std::vector<T> copy_;
    const T *data_ = nullptr;
    std::size_t block_ = 0, row_length_ = 0, samples_ = 0, row_stride_ = 0, sample_stride_ = 0;
};

/// The array of an output, which has no gaps, and is_valid() if it is wanted.
class writable : public array {
public:
    using array::array;
    void *data() const { return const_cast<void *>(array::data()); }
};

/// An output [B][block] without gaps, which the Python layer has allocated; None if it is not wanted.
template <class T>
class output {
public:
    output(const writable &array, std::size_t rows, std::size_t block) : array_(array), block_(block) {
        if (array.is_valid() && (array.size() != rows * block || !holds<T>(array.dtype()))) {
            throw std::logic_error("libimle: an output has the wrong size or dtype"); // a mistake of this package
        }
    }

    imle::span<T> blocks(const part &of) const {
        return array_.is_valid() ? imle::span<T>(static_cast<T *>(array_.data()) + of.begin * block_, of.rows * block_)
                                 : imle::span<T>();
    }

private:
    writable array_;
    std::size_t block_;
};

} // namespace libimle

namespace nanobind::detail {

/// Takes a view of an argument, and keeps the argument until the call ends. None is an array that was not given.
template <class View, class Array>
struct view_caster {
    NB_TYPE_CASTER(View, type_caster<Array>::Name)

    template <class Flags>
    bool from_python(handle source, Flags flags, cleanup_list *cleanup) noexcept {
        if (!caster_.from_python(source, flags, cleanup)) {
            return false;
        }
        value = View(caster_.value);
        return true;
    }

private:
    type_caster<Array> caster_;
};

template <>
struct type_caster<libimle::array> : view_caster<libimle::array, ndarray<ro>> {};
template <>
struct type_caster<libimle::writable> : view_caster<libimle::writable, ndarray<c_contig, device::cpu>> {};

} // namespace nanobind::detail

#endif // LIBIMLE_ARRAYS_HPP

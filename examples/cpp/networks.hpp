// The two small networks and their gradients, written out by hand. The Rust example has the same ones.
//
// x_j is the number of the text's j-th word, and E an embedding (each network has its own).
//
//     scorer h_v: one score per word, from the word and its neighbours
//         hidden_j = relu(bias + sum_o E[x_{j+o}] C_o),  o = -REACH..REACH, words outside the text count as 0
//         theta_j  = <output, hidden_j>                  no bias: it would not change the k largest scores
//
//     predictor f_u: one number per text, from the chosen words only, whatever their order
//         pooled   = (1/k) sum_j z_j E[x_j]
//         hidden   = relu(bias + pooled W)
//         y        = <output, hidden> + shift
//
//     loss of one choice: (y - target)^2
//
// Each text's gradient has memory of its own (TextGradient) and is added to that of the weights text after text. So
// threads can share the texts, and the sums do not depend on how they do.

#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "random.hpp"

constexpr std::size_t EMBEDDING = 32; // length of a word's embedding
constexpr std::size_t HIDDEN = 32;    // length of the hidden layers
constexpr std::size_t REACH = 2;      // neighbours that the scorer sees on each side of a word
constexpr std::size_t WINDOW = 2 * REACH + 1;
constexpr float EMBEDDING_BOUND = 0.1f; // of the initial embeddings; other layers start within sqrt(3 / inputs)

using Hidden = std::array<float, HIDDEN>;
using Words = std::vector<std::uint32_t>;

// into += factor * row
inline void add(float *into, float factor, const float *row, std::size_t count) {
    for (std::size_t i = 0; i < count; i++) {
        into[i] += factor * row[i];
    }
}

// Keeps eight partial sums, so that the compiler can use vector registers.
inline float dot(const float *a, const float *b, std::size_t count) {
    std::array<float, 8> sums{};
    for (std::size_t i = 0; i < count; i += 8) {
        for (std::size_t lane = 0; lane < 8; lane++) {
            sums[lane] += a[i + lane] * b[i + lane];
        }
    }
    float sum = 0;
    for (const float lane : sums) {
        sum += lane;
    }
    return sum;
}

inline Hidden relu(Hidden x) {
    std::transform(x.begin(), x.end(), x.begin(), [](float value) { return std::max(value, 0.0f); });
    return x;
}

// `grad` is the loss's gradient for <output, hidden>, where hidden = relu(x). Returns the gradient for x.
inline Hidden through_relu(const Hidden &hidden, float grad, const float *output) {
    Hidden before{};
    for (std::size_t i = 0; i < HIDDEN; i++) {
        before[i] = hidden[i] > 0.0f ? grad * output[i] : 0.0f;
    }
    return before;
}

// Weights with their gradient, trained by Adam (Kingma and Ba, 2015).
class Weights {
public:
    std::vector<float> value, gradient;

    // Appends weights uniform on [-bound, bound).
    void append(std::size_t count, float bound, SplitMix64 &random) {
        for (std::size_t i = 0; i < count; i++) {
            value.push_back(bound == 0.0f ? 0.0f : bound * random.symmetric());
        }
        for (std::vector<float> *rest : {&gradient, &mean_, &square_}) {
            rest->resize(value.size());
        }
    }

    // Makes update number `step`, counted from 1, of the weights from first to last - 1 and clears their gradient.
    void update(float step, float rate, std::size_t first, std::size_t last) {
        const float correct_mean = 1.0f / (1.0f - std::pow(0.9f, step));
        const float correct_square = 1.0f / (1.0f - std::pow(0.999f, step));
        for (std::size_t i = first; i < last; i++) {
            mean_[i] += (1.0f - 0.9f) * (gradient[i] - mean_[i]);
            square_[i] += (1.0f - 0.999f) * (gradient[i] * gradient[i] - square_[i]);
            value[i] -= rate * mean_[i] * correct_mean / (std::sqrt(square_[i] * correct_square) + 1e-8f);
            gradient[i] = 0.0f;
        }
    }

    // Calls visit(array) for every array on which later updates depend. Between two updates the gradient is 0.
    template <class Visit>
    void for_each_array(const Visit &visit) {
        for (std::vector<float> *array : {&value, &mean_, &square_}) {
            visit(*array);
        }
    }

private:
    std::vector<float> mean_, square_;
};

// The contribution of one text to the gradient of a network.
struct TextGradient {
    std::vector<float> embedding; // [words][EMBEDDING], for the embeddings of the text's words
    std::vector<float> layers;

    void clear(std::size_t words, std::size_t layer_weights) {
        embedding.assign(words * EMBEDDING, 0.0f);
        layers.assign(layer_weights, 0.0f);
    }
};

// An embedding and the layers after it, which lie one after another in `layers`.
struct Network {
    Weights embedding, layers;

    const float *embedded(std::uint32_t word) const { return &embedding.value[word * EMBEDDING]; }

    void accumulate(const Words &words, const TextGradient &text) {
        for (std::size_t j = 0; j < words.size(); j++) {
            add(&embedding.gradient[words[j] * EMBEDDING], 1.0f, &text.embedding[j * EMBEDDING], EMBEDDING);
        }
        add(layers.gradient.data(), 1.0f, text.layers.data(), text.layers.size());
    }

protected:
    void append_layer(std::size_t inputs, std::size_t outputs, SplitMix64 &random) {
        layers.append(inputs * outputs, std::sqrt(3.0f / static_cast<float>(inputs)), random);
    }
};

class Scorer : public Network {
public:
    Scorer(std::size_t vocabulary, SplitMix64 &random) {
        embedding.append(vocabulary * EMBEDDING, EMBEDDING_BOUND, random);
        append_layer(WINDOW * EMBEDDING, HIDDEN, random);
        layers.append(HIDDEN, 0.0f, random);
        append_layer(HIDDEN, 1, random);
    }

    void scores(const Words &words, float *theta) const {
        for (std::size_t j = 0; j < words.size(); j++) {
            theta[j] = dot(&layers.value[OUTPUT], hidden(words, j).data(), HIDDEN);
        }
    }

    // Adds `weight` times the gradient of a loss to that of the text. grad_theta is the loss's gradient for theta.
    void backward(const Words &words, const float *grad_theta, float weight, TextGradient &text) const {
        for (std::size_t j = 0; j < words.size(); j++) {
            if (grad_theta[j] != 0.0f) { // true for few words: the layer's gradient is sparse
                backward_word(words, j, weight * grad_theta[j], text);
            }
        }
    }

private:
    // The offsets of the layers in `layers`.
    static constexpr std::size_t CONTEXT = 0, BIAS = WINDOW * EMBEDDING * HIDDEN, OUTPUT = BIAS + HIDDEN;

    // Calls visit(offset in the window, position in the text) for the words around word j.
    template <class Visit>
    static void window(const Words &words, std::size_t j, const Visit &visit) {
        for (std::size_t o = 0; o < WINDOW; o++) {
            if (j + o >= REACH && j + o - REACH < words.size()) {
                visit(o, j + o - REACH);
            }
        }
    }

    Hidden hidden(const Words &words, std::size_t j) const {
        Hidden sum{};
        add(sum.data(), 1.0f, &layers.value[BIAS], HIDDEN);
        window(words, j, [&](std::size_t o, std::size_t place) {
            const float *const x = embedded(words[place]);
            for (std::size_t i = 0; i < EMBEDDING; i++) {
                add(sum.data(), x[i], &layers.value[CONTEXT + (o * EMBEDDING + i) * HIDDEN], HIDDEN);
            }
        });
        return relu(sum);
    }

    void backward_word(const Words &words, std::size_t j, float grad, TextGradient &text) const {
        const Hidden output = hidden(words, j);
        const Hidden grad_hidden = through_relu(output, grad, &layers.value[OUTPUT]);
        add(&text.layers[OUTPUT], grad, output.data(), HIDDEN);
        add(&text.layers[BIAS], 1.0f, grad_hidden.data(), HIDDEN);
        window(words, j, [&](std::size_t o, std::size_t place) {
            const float *const x = embedded(words[place]);
            for (std::size_t i = 0; i < EMBEDDING; i++) {
                const std::size_t row = CONTEXT + (o * EMBEDDING + i) * HIDDEN;
                text.embedding[place * EMBEDDING + i] += dot(&layers.value[row], grad_hidden.data(), HIDDEN);
                add(&text.layers[row], x[i], grad_hidden.data(), HIDDEN);
            }
        });
    }
};

class Predictor : public Network {
public:
    Predictor(std::size_t vocabulary, SplitMix64 &random) {
        embedding.append(vocabulary * EMBEDDING, EMBEDDING_BOUND, random);
        append_layer(EMBEDDING, HIDDEN, random);
        layers.append(HIDDEN, 0.0f, random);
        append_layer(HIDDEN, 1, random);
        layers.append(1, 0.0f, random);
    }

    float predict(const Words &words, const float *z, float k) const { return output(hidden(pooled(words, z, k))); }

    // Returns the loss (y - target)^2. Adds `weight` times its gradient to that of the text. Writes dz, the loss's
    // gradient for z, without `weight`, and for words that were not chosen too: the layer needs to know how each change
    // of the choice would change the loss.
    float backward(const Words &words, const float *z, float k, float target, float weight, TextGradient &text,
                   float *dz) const {
        const auto sum = pooled(words, z, k);
        const Hidden middle = hidden(sum);
        const float error = output(middle) - target;
        const float dy = 2.0f * error;

        const Hidden grad_middle = through_relu(middle, dy, &layers.value[OUTPUT]);
        text.layers[SHIFT] += weight * dy;
        add(&text.layers[OUTPUT], weight * dy, middle.data(), HIDDEN);
        add(&text.layers[BIAS], weight, grad_middle.data(), HIDDEN);
        std::array<float, EMBEDDING> grad_sum{};
        for (std::size_t i = 0; i < EMBEDDING; i++) {
            const std::size_t row = MIDDLE + i * HIDDEN;
            grad_sum[i] = dot(&layers.value[row], grad_middle.data(), HIDDEN);
            add(&text.layers[row], weight * sum[i], grad_middle.data(), HIDDEN);
        }
        for (std::size_t j = 0; j < words.size(); j++) {
            dz[j] = dot(embedded(words[j]), grad_sum.data(), EMBEDDING) / k;
            if (z[j] != 0.0f) {
                add(&text.embedding[j * EMBEDDING], weight * z[j] / k, grad_sum.data(), EMBEDDING);
            }
        }
        return error * error;
    }

private:
    // The offsets of the layers in `layers`.
    static constexpr std::size_t MIDDLE = 0, BIAS = EMBEDDING * HIDDEN, OUTPUT = BIAS + HIDDEN, SHIFT = OUTPUT + HIDDEN;

    std::array<float, EMBEDDING> pooled(const Words &words, const float *z, float k) const {
        std::array<float, EMBEDDING> sum{};
        for (std::size_t j = 0; j < words.size(); j++) {
            if (z[j] != 0.0f) {
                add(sum.data(), z[j] / k, embedded(words[j]), EMBEDDING);
            }
        }
        return sum;
    }

    Hidden hidden(const std::array<float, EMBEDDING> &sum) const {
        Hidden middle{};
        add(middle.data(), 1.0f, &layers.value[BIAS], HIDDEN);
        for (std::size_t i = 0; i < EMBEDDING; i++) {
            add(middle.data(), sum[i], &layers.value[MIDDLE + i * HIDDEN], HIDDEN);
        }
        return relu(middle);
    }

    float output(const Hidden &middle) const {
        return dot(&layers.value[OUTPUT], middle.data(), HIDDEN) + layers.value[SHIFT];
    }
};

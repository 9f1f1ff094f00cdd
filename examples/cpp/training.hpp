// The training loop: scorer, choice and predictor forwards, and the gradient backwards through all three.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "corpus.hpp"
#include "imle.hpp"
#include "networks.hpp"
#include "threads.hpp"

constexpr std::size_t BATCH = 40; // texts per step
constexpr float RATE = 5e-4f;     // Adam's learning rate
// The rate of the straight-through scorer: of rates from 5e-6 to 5e-4 the best on validation texts.
constexpr float STRAIGHT_THROUGH_RATE = 5e-5f;

// Decides which words the predictor sees, and how the scorer learns.
enum class Method { all_words, random_words, straight_through, implicit_mle };

struct Settings {
    std::uint32_t k;
    std::uint32_t samples; // choices drawn per text and step
    unsigned epochs;
    std::uint64_t seed;
    std::size_t threads;
};

using Texts = std::vector<const Example *>;

// The memory of one step, with one row per text. Each thread writes rows of its own.
struct Batch {
    std::vector<std::uint64_t> row_ids; // the numbers of the rows, which select their noise: 0, 1, ... at first
    std::vector<float> theta, z, dz, mean_dz, grad_theta, loss;
    std::vector<imle::diagnostics> counts; // a thread writes the counts of all its rows to the first of them
    std::vector<TextGradient> scorer, predictor;

    Batch(std::size_t rows, std::size_t n, std::size_t samples)
        : row_ids(rows), theta(rows * n), z(rows * samples * n), dz(rows * samples * n), mean_dz(rows * n),
          grad_theta(rows * n), loss(rows), counts(rows), scorer(rows), predictor(rows) {
        std::iota(row_ids.begin(), row_ids.end(), std::uint64_t{0});
    }
};

// The rows from first to last - 1 of an array with `each` elements per row.
template <class T>
imle::span<T> slice(std::vector<T> &array, std::size_t each, std::size_t first, std::size_t last) {
    return {array.data() + first * each, (last - first) * each};
}

class Model {
public:
    Model(Method method, const Settings &settings, const Corpus &corpus)
        : Model(method, settings, corpus, SplitMix64(settings.seed, 2)) {}

    // Chooses words at test time, z [B][N]: MAP(theta), or k random ones.
    std::vector<float> choose(const Texts &texts) const {
        std::vector<float> theta(texts.size() * n_), z(texts.size() * n_);
        in_ranges(settings_.threads, texts.size(), [&](std::size_t first, std::size_t last) {
            score(texts, theta, first, last);
            const Words k_row = k_of(texts, first, last);
            const imle::topk layer = layer_for(k_row, 1);
            std::vector<float> work(layer.workspace_len());
            const auto rows = slice(theta, n_, first, last);
            const imle::states states{slice(z, n_, first, last)};
            if (method_ == Method::random_words) { // step 0 is free, because training starts with step 1
                const auto key = imle::key().seed(settings_.seed).step(0).row0(first);
                imle::or_throw(layer.sample(key, rows, {states.z}, work));
            } else {
                imle::or_throw(layer.map(rows, states, work));
            }
        });
        return z;
    }

    float predict(const Example &text, const float *z) const {
        return predictor_.predict(text.words, z, static_cast<float>(k_of(text)));
    }

    // Makes one step of Adam. Returns the sum of the texts' losses; a text's loss is a mean over its samples.
    float step(const Texts &texts, std::uint64_t step, Batch &batch) {
        const std::size_t rows = texts.size();
        in_ranges(settings_.threads, rows, [&](std::size_t first, std::size_t last) {
            forward(texts, step, batch, first, last);
        });
        float lambda = 1.0f; // it is computed from the whole batch, so it does not depend on how the batch is cut
        if (method_ == Method::implicit_mle) {
            imle::or_throw(
                adaptive.lambda(slice(batch.theta, n_, 0, rows), slice(batch.mean_dz, n_, 0, rows), lambda));
        }
        std::fill(batch.counts.begin(), batch.counts.end(), imle::diagnostics{});
        in_ranges(settings_.threads, rows, [&](std::size_t first, std::size_t last) {
            batch.counts[first] = backward(texts, step, lambda, batch, first, last);
        });
        imle::diagnostics counts{};
        for (const imle::diagnostics &part : batch.counts) {
            counts.states += part.states;
            counts.nonzeros += part.nonzeros;
        }
        imle::or_throw(adaptive.update(counts));
        float loss = 0; // all sums run in the order of the texts, whichever thread worked on them
        for (std::size_t b = 0; b < rows; b++) {
            loss += batch.loss[b];
            accumulate(texts[b]->words, batch.scorer[b], batch.predictor[b]);
        }
        update(step);
        return loss;
    }

    // The parts of a step. The first two work on the rows from first to last - 1 of the batch.

    // Draws the choices z_s = MAP(theta + noise), S for every text. Computes the losses, the predictor's gradients and
    // the mean of dz over the samples.
    void forward(const Texts &texts, std::uint64_t step, Batch &batch, std::size_t first, std::size_t last) const {
        score(texts, batch.theta, first, last);
        const Words k_row = k_of(texts, first, last);
        const imle::topk layer = layer_for(k_row, samples());
        std::vector<float> work(layer.workspace_len());
        const auto theta = slice(batch.theta, n_, first, last);
        const auto dz = slice(batch.dz, samples() * n_, first, last);
        imle::or_throw(layer.sample(key(step, batch, first, last), theta,
                                    {slice(batch.z, samples() * n_, first, last)}, work));
        for (std::size_t b = first; b < last; b++) {
            clear(texts[b]->words.size(), batch.scorer[b], batch.predictor[b]);
            learn_predictor(*texts[b], 1.0f / static_cast<float>(texts.size()), batch, b);
        }
        imle::or_throw(imle::straight_through(shape_of(last - first, 1, samples()), theta, imle::dz::per_sample(dz),
                                              slice(batch.mean_dz, n_, first, last)));
    }

    // Carries the gradient through the choice to theta and the scorer, from the mean dz of each text. The layer takes
    // dz of each text's own loss; the mean over the batch comes later. Returns the counts for the adaptive lambda.
    imle::diagnostics backward(const Texts &texts, std::uint64_t step, float lambda, Batch &batch, std::size_t first,
                               std::size_t last) const {
        imle::diagnostics counts{};
        const auto mean_dz = slice(batch.mean_dz, n_, first, last);
        const auto grad_theta = slice(batch.grad_theta, n_, first, last);
        if (method_ != Method::implicit_mle || lambda == 0.0f) {
            // The straight-through gradient is the mean dz. With lambda = 0 it is 0, and there is nothing to learn.
            std::copy(mean_dz.begin(), mean_dz.end(), grad_theta.begin());
        } else {
            const Words k_row = k_of(texts, first, last);
            const imle::topk layer = layer_for(k_row, samples(), lambda);
            std::vector<float> work(layer.workspace_len());
            imle::or_throw(layer.gradient(key(step, batch, first, last), slice(batch.theta, n_, first, last),
                                          imle::dz::shared(mean_dz), {}, grad_theta, work, &counts));
        }
        for (std::size_t b = first; b < last && learns_choice(); b++) {
            learn_scorer(*texts[b], 1.0f / static_cast<float>(texts.size()), batch, b);
        }
        return counts;
    }

    // Makes room for the gradients of a text with this many words, or of several texts with this many in all.
    void clear(std::size_t words, TextGradient &scorer, TextGradient &predictor) const {
        scorer.clear(words, scorer_.layers.value.size());
        predictor.clear(words, predictor_.layers.value.size());
    }

    // Adds gradients for the embeddings of these words and for the other layers to those of the step.
    void accumulate(const Words &words, const TextGradient &scorer, const TextGradient &predictor) {
        predictor_.accumulate(words, predictor);
        if (learns_choice()) {
            scorer_.accumulate(words, scorer);
        }
    }

    // Makes update number `step` of all weights, counted from 1, with the gradients that were accumulated.
    void update(std::uint64_t step) {
        update(predictor_, step, RATE);
        if (learns_choice()) {
            update(scorer_, step, method_ == Method::straight_through ? STRAIGHT_THROUGH_RATE : RATE);
        }
    }

    std::size_t n() const { return n_; }

    std::uint32_t samples() const { return method_ == Method::all_words ? 1 : settings_.samples; }

    // Calls visit(weight) for every weight.
    template <class Visit>
    void for_each_weight(const Visit &visit) const {
        for (const Network *network : std::initializer_list<const Network *>{&scorer_, &predictor_}) {
            std::for_each(network->embedding.value.begin(), network->embedding.value.end(), visit);
            std::for_each(network->layers.value.begin(), network->layers.value.end(), visit);
        }
    }

    // Calls visit(array) for every array of floats on which later steps depend; beside them it is only `adaptive`.
    template <class Visit>
    void for_each_array(const Visit &visit) {
        for (Network *network : std::initializer_list<Network *>{&scorer_, &predictor_}) {
            network->embedding.for_each_array(visit);
            network->layers.for_each_array(visit);
        }
    }

    imle::adaptive adaptive; // finds lambda for I-MLE

private:
    Model(Method method, const Settings &settings, const Corpus &corpus, SplitMix64 random)
        : method_(method), settings_(settings), n_(corpus.longest), scorer_(corpus.vocabulary(), random),
          predictor_(corpus.vocabulary(), random) {}

    // True if a scorer gives the scores. If not, all words have the same score.
    bool learns_choice() const { return method_ == Method::straight_through || method_ == Method::implicit_mle; }

    // The number of words that are chosen from a text.
    std::uint32_t k_of(const Example &text) const {
        const auto words = static_cast<std::uint32_t>(text.words.size());
        return method_ == Method::all_words ? words : std::min(words, settings_.k);
    }

    Words k_of(const Texts &texts, std::size_t first, std::size_t last) const {
        Words k_row;
        for (std::size_t b = first; b < last; b++) {
            k_row.push_back(k_of(*texts[b]));
        }
        return k_row;
    }

    // The layer for texts with these k. It keeps a view of k_row.
    imle::topk layer_for(const Words &k_row, std::uint32_t samples, float lambda = 1.0f) const {
        const imle::shape shape = shape_of(k_row.size(), *std::max_element(k_row.begin(), k_row.end()), samples);
        // Random words come from the default, Gumbel noise: all scores are equal, so every k words are equally likely.
        imle::options options;
        if (method_ != Method::random_words) {
            options.noise(imle::noise::logistic)
                .difference(imle::difference::central)
                .coupling(imle::coupling::stratified)
                .lambda(lambda);
        }
        return imle::topk(shape, options).k_row(k_row);
    }

    imle::shape shape_of(std::size_t rows, std::uint32_t k, std::uint32_t samples) const {
        return imle::shape()
            .rows(static_cast<std::uint32_t>(rows))
            .n(static_cast<std::uint32_t>(n_))
            .k(k)
            .samples(samples);
    }

    // The key for the rows from first to last - 1 of a batch. Each row has noise of its own, whoever draws it.
    imle::key key(std::uint64_t step, Batch &batch, std::size_t first, std::size_t last) const {
        return imle::key().seed(settings_.seed).step(step).row_ids(slice(batch.row_ids, 1, first, last));
    }

    // Writes the rows of theta [B][N] from first to last - 1. The padding after a text is -inf, which the layer never
    // chooses.
    void score(const Texts &texts, std::vector<float> &theta, std::size_t first, std::size_t last) const {
        for (std::size_t b = first; b < last; b++) {
            float *const row = &theta[b * n_];
            std::fill_n(row, n_, -std::numeric_limits<float>::infinity());
            if (learns_choice()) {
                scorer_.scores(texts[b]->words, row);
            } else {
                std::fill_n(row, texts[b]->words.size(), 0.0f);
            }
        }
    }

    void learn_scorer(const Example &text, float mean, Batch &batch, std::size_t b) const {
        scorer_.backward(text.words, &batch.grad_theta[b * n_], mean, batch.scorer[b]);
    }

    void learn_predictor(const Example &text, float mean, Batch &batch, std::size_t b) const {
        const float share = 1.0f / static_cast<float>(samples());
        batch.loss[b] = 0.0f;
        // The padding after a text has no effect on the loss. Without the zeros, dz of an earlier text would stay there
        // and count in the norm of dz, from which the adaptive lambda is computed.
        const auto dz = slice(batch.dz, samples() * n_, b, b + 1);
        std::fill(dz.begin(), dz.end(), 0.0f);
        for (std::size_t s = b * samples(); s < (b + 1) * samples(); s++) {
            batch.loss[b] += share * predictor_.backward(text.words, &batch.z[s * n_], static_cast<float>(k_of(text)),
                                                         text.target, mean * share, batch.predictor[b],
                                                         &batch.dz[s * n_]);
        }
    }

    // Adam works on each weight alone, so threads may share the weights in any way.
    void update(Network &network, std::uint64_t step, float rate) const {
        for (Weights *weights : {&network.embedding, &network.layers}) {
            in_ranges(settings_.threads, weights->value.size(), [&](std::size_t first, std::size_t last) {
                weights->update(static_cast<float>(step), rate, first, last);
            });
        }
    }

    Method method_;
    Settings settings_;
    std::size_t n_; // texts are padded to this many words
    Scorer scorer_;
    Predictor predictor_;
};

inline Texts pointers(const std::vector<Example> &examples) {
    Texts texts;
    for (const Example &example : examples) {
        texts.push_back(&example);
    }
    return texts;
}

// The batch that starts with text `first` of an epoch's order; the last batch may be smaller.
inline Texts batch_of(const Texts &order, std::size_t first) {
    const auto start = order.begin() + static_cast<std::ptrdiff_t>(first);
    return {start, start + static_cast<std::ptrdiff_t>(std::min(BATCH, order.size() - first))};
}

// A hash of the bits of all weights, FNV-1a: equal weights have equal fingerprints.
struct Fingerprint {
    std::uint64_t value = 0xcbf2'9ce4'8422'2325;

    void add(const Model &model) {
        model.for_each_weight([&](float weight) {
            std::uint32_t bits = 0;
            std::memcpy(&bits, &weight, sizeof bits);
            value = (value ^ bits) * 0x100'0000'01b3;
        });
    }
};

// The mean of (prediction - target)^2 for the choices z [B][N], in units of the standardised scores.
inline double mean_squared_error(const Model &model, const Texts &texts, const std::vector<float> &z) {
    double sum = 0;
    for (std::size_t b = 0; b < texts.size(); b++) {
        const auto error = static_cast<double>(model.predict(*texts[b], &z[b * model.n()]) - texts[b]->target);
        sum += error * error;
    }
    return sum / static_cast<double>(texts.size());
}

// Trains one model and returns it as it was after the epoch with the least validation error. Progress goes to stderr.
inline Model train(Method method, const Settings &settings, const Corpus &corpus) {
    Model model(method, settings, corpus);
    Model best = model;
    double least = std::numeric_limits<double>::infinity();
    Batch batch(BATCH, model.n(), model.samples());
    Texts order = pointers(corpus.training);
    const Texts validation = pointers(corpus.validation);
    SplitMix64 random(settings.seed, 3);
    std::uint64_t step = 0;
    for (unsigned epoch = 1; epoch <= settings.epochs; epoch++) {
        random.shuffle(order);
        float loss = 0;
        for (std::size_t first = 0; first < order.size(); first += BATCH) {
            loss += model.step(batch_of(order, first), ++step, batch);
        }
        const double error = mean_squared_error(model, validation, model.choose(validation));
        const auto unit = static_cast<double>(corpus.deviation * corpus.deviation);
        std::fprintf(stderr, "epoch %2u: loss %.2f / %.2f\n", epoch,
                     static_cast<double>(loss) / static_cast<double>(order.size()) * unit, error * unit);
        if (error < least) {
            least = error;
            best = model;
        }
    }
    return best;
}

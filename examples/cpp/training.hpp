// The training loop: scorer, choice and predictor forwards, and the gradient backwards through all three.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <limits>
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
    std::vector<float> theta, z, dz, mean_dz, grad_theta, loss;
    std::vector<imle::diagnostics> counts; // a thread writes the counts of all its rows to the first of them
    std::vector<TextGradient> scorer, predictor;

    Batch(std::size_t rows, std::size_t n, std::size_t samples)
        : theta(rows * n), z(rows * samples * n), dz(rows * samples * n), mean_dz(rows * n), grad_theta(rows * n),
          loss(rows), counts(rows), scorer(rows), predictor(rows) {}
};

// The rows from first to last - 1 of an array with `each` elements per row.
inline imle::span<float> slice(std::vector<float> &array, std::size_t each, std::size_t first, std::size_t last) {
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
                imle::or_throw(layer.sample(key(0, first), rows, {states.z}, work));
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
        in_ranges(settings_.threads, texts.size(), [&](std::size_t first, std::size_t last) {
            choose_and_predict(texts, step, batch, first, last);
        });
        if (method_ == Method::implicit_mle) {
            average(texts.size(), batch, batch.mean_dz);
            implicit_gradient(texts, step, batch);
        } else if (method_ == Method::straight_through) {
            average(texts.size(), batch, batch.grad_theta);
        }
        in_ranges(settings_.threads, texts.size(), [&](std::size_t first, std::size_t last) {
            for (std::size_t b = first; b < last && learns_choice(); b++) {
                learn_scorer(*texts[b], 1.0f / static_cast<float>(texts.size()), batch, b);
            }
        });
        float loss = 0; // all sums run in the order of the texts, whichever thread worked on them
        for (std::size_t b = 0; b < texts.size(); b++) {
            loss += batch.loss[b];
            predictor_.accumulate(texts[b]->words, batch.predictor[b]);
            if (learns_choice()) {
                scorer_.accumulate(texts[b]->words, batch.scorer[b]);
            }
        }
        update(predictor_, step, RATE);
        if (learns_choice()) {
            update(scorer_, step, method_ == Method::straight_through ? STRAIGHT_THROUGH_RATE : RATE);
        }
        return loss;
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

    // The key for rows from `first` on. Each row of the batch has noise of its own, whichever thread draws it.
    imle::key key(std::uint64_t step, std::size_t first) const {
        return imle::key().seed(settings_.seed).step(step).row0(first);
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

    // Computes choices, losses, the predictor's gradients and dz of the texts from first to last - 1.
    void choose_and_predict(const Texts &texts, std::uint64_t step, Batch &batch, std::size_t first,
                            std::size_t last) const {
        // z_s = MAP(theta + noise), with S choices for every text.
        score(texts, batch.theta, first, last);
        const Words k_row = k_of(texts, first, last);
        const imle::topk layer = layer_for(k_row, samples());
        std::vector<float> work(layer.workspace_len());
        const auto theta = slice(batch.theta, n_, first, last);
        imle::or_throw(layer.sample(key(step, first), theta, {slice(batch.z, samples() * n_, first, last)}, work));
        for (std::size_t b = first; b < last; b++) {
            learn_predictor(*texts[b], 1.0f / static_cast<float>(texts.size()), batch, b);
        }
    }

    // Writes the mean of dz over the samples of each text, [B][N], which is also the straight-through gradient.
    void average(std::size_t rows, Batch &batch, std::vector<float> &mean) const {
        imle::or_throw(imle::straight_through(shape_of(rows, 1, samples()), slice(batch.theta, n_, 0, rows),
                                              imle::dz::per_sample(slice(batch.dz, samples() * n_, 0, rows)),
                                              slice(mean, n_, 0, rows)));
    }

    // Carries the gradient through the choice to theta, from the mean dz of each text. The layer takes dz of each
    // text's own loss; the mean over the batch comes later. lambda is computed from the whole batch, and the counts of
    // the threads are added up, so the result does not depend on how the batch is cut.
    void implicit_gradient(const Texts &texts, std::uint64_t step, Batch &batch) {
        const std::size_t rows = texts.size();
        float lambda = 0;
        imle::or_throw(
            adaptive_.lambda(slice(batch.theta, n_, 0, rows), slice(batch.mean_dz, n_, 0, rows), lambda));
        if (lambda == 0.0f) { // dz is 0, so there is nothing to learn
            std::fill(batch.grad_theta.begin(), batch.grad_theta.end(), 0.0f);
            return;
        }
        std::fill(batch.counts.begin(), batch.counts.end(), imle::diagnostics{});
        in_ranges(settings_.threads, rows, [&](std::size_t first, std::size_t last) {
            const Words k_row = k_of(texts, first, last);
            const imle::topk layer = layer_for(k_row, samples(), lambda);
            std::vector<float> work(layer.workspace_len());
            const auto dz = imle::dz::shared(slice(batch.mean_dz, n_, first, last));
            imle::or_throw(layer.gradient(key(step, first), slice(batch.theta, n_, first, last), dz, {},
                                          slice(batch.grad_theta, n_, first, last), work, &batch.counts[first]));
        });
        imle::diagnostics counts{};
        for (const imle::diagnostics &part : batch.counts) {
            counts.states += part.states;
            counts.nonzeros += part.nonzeros;
        }
        imle::or_throw(adaptive_.update(counts));
    }

    void learn_scorer(const Example &text, float mean, Batch &batch, std::size_t b) const {
        batch.scorer[b].clear(text.words.size(), scorer_.layers.value.size());
        scorer_.backward(text.words, &batch.grad_theta[b * n_], mean, batch.scorer[b]);
    }

    void learn_predictor(const Example &text, float mean, Batch &batch, std::size_t b) const {
        const float share = 1.0f / static_cast<float>(samples());
        batch.loss[b] = 0.0f;
        batch.predictor[b].clear(text.words.size(), predictor_.layers.value.size());
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
    imle::adaptive adaptive_;
};

inline Texts pointers(const std::vector<Example> &examples) {
    Texts texts;
    for (const Example &example : examples) {
        texts.push_back(&example);
    }
    return texts;
}

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
            const std::size_t last = std::min(first + BATCH, order.size());
            const Texts texts(order.begin() + static_cast<std::ptrdiff_t>(first),
                              order.begin() + static_cast<std::ptrdiff_t>(last));
            loss += model.step(texts, ++step, batch);
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

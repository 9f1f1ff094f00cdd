// The training loop: scorer, choice, predictor, and the way back.

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
// The straight-through scorer's rate, the best of 5e-6 to 5e-4 on validation texts.
constexpr float STRAIGHT_THROUGH_RATE = 5e-5f;

// Which words the predictor sees, and what the scorer learns from.
enum class Method { all_words, random_words, straight_through, implicit_mle };

struct Settings {
    std::uint32_t k;
    std::uint32_t samples; // choices drawn per text and step
    unsigned epochs;
    std::uint64_t seed;
    std::size_t threads;
};

using Texts = std::vector<const Example *>;

// Memory of one step, one row a text. Threads write different rows.
struct Batch {
    std::vector<float> theta, z, dz, grad_theta, loss;
    std::vector<imle::diagnostics> counts; // of the rows that a thread had, in the first of them
    std::vector<TextGradient> scorer, predictor;

    Batch(std::size_t rows, std::size_t n, std::size_t samples)
        : theta(rows * n), z(rows * samples * n), dz(rows * samples * n), grad_theta(rows * n), loss(rows),
          counts(rows), scorer(rows), predictor(rows) {}
};

// Rows first to last of an array that has `each` elements a row.
inline imle::span<float> slice(std::vector<float> &array, std::size_t each, std::size_t first, std::size_t last) {
    return {array.data() + first * each, (last - first) * each};
}

class Model {
public:
    Model(Method method, const Settings &settings, const Corpus &corpus)
        : Model(method, settings, corpus, SplitMix64(settings.seed, 2)) {}

    // The words chosen at test time, z [B][N]: MAP(theta), or k at random.
    std::vector<float> choose(const Texts &texts) const {
        std::vector<float> theta(texts.size() * n_), z(texts.size() * n_);
        in_ranges(settings_.threads, texts.size(), [&](std::size_t first, std::size_t last) {
            score(texts, theta, first, last);
            const Words k_row = k_of(texts, first, last);
            const imle::topk layer = layer_for(k_row, 1);
            std::vector<float> work(layer.workspace_len());
            const auto rows = slice(theta, n_, first, last);
            const imle::states states{slice(z, n_, first, last)};
            if (method_ == Method::random_words) { // training steps count from 1
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

    // One step of Adam. Returns the sum of the texts' losses, each a mean over its samples.
    float step(const Texts &texts, std::uint64_t step, Batch &batch) {
        in_ranges(settings_.threads, texts.size(), [&](std::size_t first, std::size_t last) {
            choose_and_predict(texts, step, batch, first, last);
        });
        if (method_ == Method::implicit_mle) {
            implicit_gradient(texts, step, batch);
        } else if (method_ == Method::straight_through) {
            const std::size_t rows = texts.size();
            imle::or_throw(imle::straight_through(
                shape_of(rows, 1, samples()), slice(batch.theta, n_, 0, rows),
                imle::dz::per_sample(slice(batch.dz, samples() * n_, 0, rows)), slice(batch.grad_theta, n_, 0, rows)));
        }
        in_ranges(settings_.threads, texts.size(), [&](std::size_t first, std::size_t last) {
            for (std::size_t b = first; b < last && learns_choice(); b++) {
                learn_scorer(*texts[b], 1.0f / static_cast<float>(texts.size()), batch, b);
            }
        });
        float loss = 0; // sums run over the texts in their order, whichever thread had them
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

    // Calls visit(weight) for all weights.
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

    // Whether a scorer decides; if not, all words have the same score.
    bool learns_choice() const { return method_ == Method::straight_through || method_ == Method::implicit_mle; }

    // How many words of a text are chosen.
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

    // The layer for these texts: their number and their k are its shape. It keeps a view of k_row.
    imle::topk layer_for(const Words &k_row, std::uint32_t samples, float lambda = 1.0f) const {
        const imle::shape shape = shape_of(k_row.size(), *std::max_element(k_row.begin(), k_row.end()), samples);
        return imle::topk(shape, imle::options().lambda(lambda)).k_row(k_row);
    }

    imle::shape shape_of(std::size_t rows, std::uint32_t k, std::uint32_t samples) const {
        return imle::shape()
            .rows(static_cast<std::uint32_t>(rows))
            .n(static_cast<std::uint32_t>(n_))
            .k(k)
            .samples(samples);
    }

    // Every text's row of the batch has noise of its own, whichever thread draws it.
    imle::key key(std::uint64_t step, std::size_t first) const {
        return imle::key().seed(settings_.seed).step(step).row0(first);
    }

    // theta [B][N], rows first to last. The padding behind a text is -inf, which the layer never chooses.
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

    // Choices, losses, the predictor's gradients and dz of the texts first to last.
    void choose_and_predict(const Texts &texts, std::uint64_t step, Batch &batch, std::size_t first,
                            std::size_t last) const {
        // z_s = MAP(theta + noise), S choices for every text.
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

    // Through the choice to theta. The layer takes dz of a text's own loss; the batch's mean comes after it. The whole
    // batch decides lambda, and what the threads count adds up: however it is cut, the result is the same.
    void implicit_gradient(const Texts &texts, std::uint64_t step, Batch &batch) {
        const std::size_t rows = texts.size();
        float lambda = 0;
        imle::or_throw(adaptive_.lambda(slice(batch.theta, n_, 0, rows), slice(batch.dz, samples() * n_, 0, rows),
                                        lambda));
        if (lambda == 0.0f) { // dz is 0
            std::fill(batch.grad_theta.begin(), batch.grad_theta.end(), 0.0f);
            return;
        }
        std::fill(batch.counts.begin(), batch.counts.end(), imle::diagnostics{});
        in_ranges(settings_.threads, rows, [&](std::size_t first, std::size_t last) {
            const Words k_row = k_of(texts, first, last);
            const imle::topk layer = layer_for(k_row, samples(), lambda);
            std::vector<float> work(layer.workspace_len());
            const auto dz = imle::dz::per_sample(slice(batch.dz, samples() * n_, first, last));
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
        for (std::size_t s = b * samples(); s < (b + 1) * samples(); s++) {
            batch.loss[b] += share * predictor_.backward(text.words, &batch.z[s * n_], static_cast<float>(k_of(text)),
                                                         text.target, mean * share, batch.predictor[b],
                                                         &batch.dz[s * n_]);
        }
    }

    // Adam works on every weight alone, so that it may be cut anywhere.
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

// The mean of (prediction - target)^2, of standardised scores, for the choices z [B][N].
inline double mean_squared_error(const Model &model, const Texts &texts, const std::vector<float> &z) {
    double sum = 0;
    for (std::size_t b = 0; b < texts.size(); b++) {
        const auto error = static_cast<double>(model.predict(*texts[b], &z[b * model.n()]) - texts[b]->target);
        sum += error * error;
    }
    return sum / static_cast<double>(texts.size());
}

// Trains one model; returns it as it was after the epoch with the least validation error. Progress goes to stderr.
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

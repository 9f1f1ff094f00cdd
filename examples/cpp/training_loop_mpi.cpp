// Learning to explain on a cluster: the loop of training_loop.cpp, with rows spread over the processes (ranks) of MPI.
//
//     mpicxx -std=c++17 -O3 -Iinclude examples/cpp/training_loop_mpi.cpp libimle.a -o training_loop_mpi
//     mpirun -n 4 training_loop_mpi [--data FILE] [--epochs E] [--k K] [--seed S] [--state FILE] [--kill STEP]
//
// Every rank has all texts and the same model. A batch is cut into blocks of BLOCK rows, however many ranks there are,
// and each rank works on some of the blocks. The trained weights are the same for any number of ranks, bit for bit:
//
// - The noise of a row follows its text. The key has the number of every row's text in the training set (row_ids).
// - Floats are added up in one order: the rows of a block, then the blocks. All ranks gather the sums of all blocks and
//   add them. (MPI_Allreduce would be shorter, but its order depends on the number of ranks.)
// - Counts are whole numbers. Their sum does not depend on the order, so MPI_Allreduce may add them.
//
// With --state FILE, the run saves its state every SAVE_STEPS steps. When a rank dies, MPI ends the job. Start it
// again, with any number of ranks: it goes on from the state and gets the weights that the job would have got. To see
// it, let --kill STEP kill the last rank after a step.

#include <mpi.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "cli.hpp"
#include "corpus.hpp"
#include "training.hpp"

constexpr std::size_t BLOCK = 5; // rows, so up to 8 ranks have work in a batch of 40
constexpr std::uint64_t SAVE_STEPS = 20;

static std::size_t rank() {
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return static_cast<std::size_t>(rank);
}

static std::size_t ranks() {
    int ranks = 0;
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    return static_cast<std::size_t>(ranks);
}

// Returns the items of all ranks, in the order of the ranks.
template <class T>
static std::vector<T> gather(const std::vector<T> &mine) {
    const auto size = static_cast<int>(mine.size() * sizeof(T));
    std::vector<int> sizes(ranks()), starts(ranks());
    MPI_Allgather(&size, 1, MPI_INT, sizes.data(), 1, MPI_INT, MPI_COMM_WORLD);
    std::partial_sum(sizes.begin(), sizes.end() - 1, starts.begin() + 1);
    std::vector<T> all(static_cast<std::size_t>(starts.back() + sizes.back()) / sizeof(T));
    MPI_Allgatherv(mine.data(), size, MPI_BYTE, all.data(), sizes.data(), starts.data(), MPI_BYTE, MPI_COMM_WORLD);
    return all;
}

// Calls visit(start, end) for each block of the rows from first to last - 1.
template <class Visit>
static void each_block(std::size_t first, std::size_t last, const Visit &visit) {
    for (; first < last; first += BLOCK) {
        visit(first, std::min(first + BLOCK, last));
    }
}

// Appends the gradient of a block of rows: that of each word's embedding, one after another, and the sum of the others.
static void append(const std::vector<TextGradient> &texts, std::size_t start, std::size_t end,
                   std::vector<float> &floats) {
    std::vector<float> layers(texts[start].layers.size());
    for (std::size_t b = start; b < end; b++) {
        floats.insert(floats.end(), texts[b].embedding.begin(), texts[b].embedding.end());
        add(layers.data(), 1.0f, texts[b].layers.data(), layers.size());
    }
    floats.insert(floats.end(), layers.begin(), layers.end());
}

// Model::step over ranks instead of threads.
static float train_step(Model &model, const Texts &texts, const Example *training, std::uint64_t step, Batch &batch) {
    const std::size_t blocks = (texts.size() + BLOCK - 1) / BLOCK;
    const std::size_t first = std::min(blocks * rank() / ranks() * BLOCK, texts.size());
    const std::size_t last = std::min(blocks * (rank() + 1) / ranks() * BLOCK, texts.size());
    const bool busy = first < last; // a rank without rows takes part in the sums
    for (std::size_t b = first; b < last; b++) {
        batch.row_ids[b] = static_cast<std::uint64_t>(texts[b] - training);
    }
    if (busy) {
        model.forward(texts, step, batch, first, last);
    }

    // Lambda comes from the norms of theta and dz of the whole batch: from the sums of squares of its blocks.
    std::vector<imle_adaptive_parts> parts;
    each_block(first, last, [&](std::size_t start, std::size_t end) {
        imle::adaptive_parts block;
        const auto theta = slice(batch.theta, model.n(), start, end);
        imle::or_throw(block.add(theta, slice(batch.mean_dz, model.n(), start, end)));
        parts.push_back(block.c());
    });
    imle::adaptive_parts norms;
    for (const imle_adaptive_parts &block : gather(parts)) {
        norms += imle::adaptive_parts(block);
    }
    float lambda = 0;
    imle::or_throw(model.adaptive.lambda_from(norms, lambda));

    // The counts of all ranks adapt it.
    imle::diagnostics counts{};
    if (busy) {
        counts = model.backward(texts, step, lambda, batch, first, last);
    }
    static_assert(sizeof counts % sizeof(std::uint64_t) == 0, "the counts are whole numbers of 64 bits");
    MPI_Allreduce(MPI_IN_PLACE, &counts, sizeof counts / sizeof(std::uint64_t), MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    imle::or_throw(model.adaptive.update(counts));

    // The gradients and losses of all blocks, in the order of the blocks.
    std::vector<float> mine;
    each_block(first, last, [&](std::size_t start, std::size_t end) {
        append(batch.scorer, start, end, mine);
        append(batch.predictor, start, end, mine);
        mine.push_back(std::accumulate(&batch.loss[start], &batch.loss[start] + (end - start), 0.0f));
    });
    const std::vector<float> all = gather(mine);
    auto at = all.begin();
    float loss = 0;
    each_block(0, texts.size(), [&](std::size_t start, std::size_t end) {
        Words words;
        for (std::size_t b = start; b < end; b++) {
            words.insert(words.end(), texts[b]->words.begin(), texts[b]->words.end());
        }
        TextGradient scorer, predictor;
        model.clear(words.size(), scorer, predictor);
        for (std::vector<float> *array : {&scorer.embedding, &scorer.layers, &predictor.embedding, &predictor.layers}) {
            std::copy_n(at, array->size(), array->begin());
            at += static_cast<std::ptrdiff_t>(array->size());
        }
        model.accumulate(words, scorer, predictor);
        loss += *at++;
    });
    model.update(step);
    return loss;
}

// A run between two steps. A file has the bytes of this struct and then the model's arrays.
struct State {
    std::uint64_t k, samples, seed, texts, floats; // a file of another run is told by these
    std::uint64_t step;                            // steps that are done
    float loss;                                    // sum over the texts of this epoch so far
    imle_adaptive adaptive;
};

// Only rank 0 writes. If the run dies in the middle, FILE still has the state before.
static void save(const std::string &file, State &state, Model &model) {
    if (rank() != 0) {
        return;
    }
    state.adaptive = model.adaptive.c();
    const std::string unfinished = file + ".unfinished";
    std::ofstream stream(unfinished, std::ios::binary);
    stream.write(reinterpret_cast<const char *>(&state), sizeof state);
    model.for_each_array([&](const std::vector<float> &array) {
        stream.write(reinterpret_cast<const char *>(array.data()),
                     static_cast<std::streamsize>(array.size() * sizeof(float)));
    });
    stream.close();
    if (!stream) {
        throw std::runtime_error(unfinished + ": cannot be written");
    }
    std::filesystem::rename(unfinished, file);
}

// Reads FILE, if it exists, into the state and the model of every rank. Only rank 0 needs to see the file.
static void restore(const std::string &file, State &state, Model &model) {
    std::vector<char> bytes;
    if (rank() == 0 && std::filesystem::exists(file)) {
        std::ifstream stream(file, std::ios::binary);
        bytes.assign(std::istreambuf_iterator<char>(stream), {});
        if (bytes.empty()) {
            throw std::runtime_error(file + ": cannot be read");
        }
    }
    bytes = gather(bytes);
    if (bytes.empty()) {
        return;
    }
    State saved{};
    std::memcpy(&saved, bytes.data(), std::min(sizeof saved, bytes.size()));
    if (saved.k != state.k || saved.samples != state.samples || saved.seed != state.seed ||
        saved.texts != state.texts || saved.floats != state.floats ||
        bytes.size() != sizeof saved + state.floats * sizeof(float)) {
        throw std::runtime_error(file + ": is not the state of a run with these options and data");
    }
    state = saved;
    model.adaptive = imle::adaptive(saved.adaptive);
    const char *at = bytes.data() + sizeof saved;
    model.for_each_array([&](std::vector<float> &array) {
        std::memcpy(array.data(), at, array.size() * sizeof(float));
        at += array.size() * sizeof(float);
    });
}

struct Options : Cli {
    std::string state; // no file if it is empty
    std::uint64_t kill = 0;
};

static Options parse(const std::vector<std::string> &arguments) {
    Options options;
    options.settings.threads = 1; // per rank
    const std::string names = "--data, --epochs, --k, --seed, --state or --kill";
    options.parse(arguments, names, [&](const auto &name, const auto &value) {
        if (name == "--state") {
            options.state = value;
        } else if (name == "--kill") {
            options.kill = number(name, value, 1);
        } else {
            return false;
        }
        return true;
    });
    return options;
}

static void run(const Options &cli) {
    const std::vector<Text> texts = read_texts(cli.data);
    const Corpus corpus(texts, cli.settings.seed);
    Model model(Method::implicit_mle, cli.settings, corpus);
    Batch batch(BATCH, model.n(), model.samples());
    State state{cli.settings.k, model.samples(), cli.settings.seed, texts.size(), 0, 0, 0, model.adaptive.c()};
    model.for_each_array([&](const std::vector<float> &array) { state.floats += array.size(); });
    if (!cli.state.empty()) {
        restore(cli.state, state, model);
    }
    if (rank() == 0) {
        std::fprintf(stderr, "%zu ranks start after step %llu\n", ranks(), static_cast<unsigned long long>(state.step));
    }

    const auto unit = static_cast<double>(corpus.deviation * corpus.deviation);
    Texts order = pointers(corpus.training);
    SplitMix64 random(cli.settings.seed, 3);
    std::uint64_t step = 0;
    for (unsigned epoch = 1; epoch <= cli.settings.epochs; epoch++) {
        random.shuffle(order); // in epochs that are already done, too, because the next order builds on this one
        for (std::size_t first = 0; first < order.size(); first += BATCH) {
            if (++step <= state.step) {
                continue;
            }
            state.loss += train_step(model, batch_of(order, first), corpus.training.data(), step, batch);
            state.step = step;
            if (!cli.state.empty() && step % SAVE_STEPS == 0) {
                save(cli.state, state, model);
            }
            if (step == cli.kill && rank() + 1 == ranks()) {
                std::raise(SIGKILL);
            }
        }
        if (step == state.step) {
            if (rank() == 0) {
                std::fprintf(stderr, "epoch %2u: loss %.2f\n", epoch,
                             static_cast<double>(state.loss) / static_cast<double>(order.size()) * unit);
            }
            state.loss = 0;
        }
    }
    if (state.step > step) {
        throw std::runtime_error(cli.state + ": is the state of a run with more epochs");
    }

    if (rank() == 0) {
        const Texts test = pointers(corpus.test);
        Fingerprint fingerprint;
        fingerprint.add(model);
        std::printf("test MSE: %.3f\n", mean_squared_error(model, test, model.choose(test)) * unit);
        std::printf("fingerprint of the weights: %016llx\n", static_cast<unsigned long long>(fingerprint.value));
    }
}

int main(int count, char **arguments) {
    MPI_Init(&count, &arguments);
    Options options;
    try {
        options = parse({arguments + 1, arguments + count});
    } catch (const std::exception &error) { // all ranks have the same arguments, so one message is enough
        if (rank() == 0) {
            std::fprintf(stderr, "%s\n", error.what());
        }
        MPI_Finalize();
        return 2;
    }
    try {
        run(options);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "rank %zu: %s\n", rank(), error.what());
        MPI_Abort(MPI_COMM_WORLD, 2); // the other ranks would wait for this one for ever
    }
    MPI_Finalize();
    return 0;
}

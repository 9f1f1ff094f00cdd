// Reads scored texts, one per line (id TAB score TAB text), and prepares them for the networks: words become numbers,
// scores are standardised, and the texts are split into training, validation and test.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "random.hpp"

struct Text {
    float score;
    std::vector<std::string> words;
};

struct Example {
    const Text *text;
    std::vector<std::uint32_t> words;
    float target; // (score - mean) / deviation
};

// Words consist of letters, digits and apostrophes. Bytes outside ASCII count as letters.
inline bool in_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '\'' ||
           static_cast<unsigned char>(c) >= 0x80;
}

// The longest runs of such characters, without apostrophes at their ends and with ASCII in lower case.
inline std::vector<std::string> words_of(const std::string &text) {
    std::vector<std::string> words;
    for (auto at = text.begin(); at != text.end();) {
        const auto start = std::find_if(at, text.end(), in_word);
        at = std::find_if_not(start, text.end(), in_word);
        std::string word(start, at);
        word.erase(word.find_last_not_of('\'') + 1);
        word.erase(0, word.find_first_not_of('\''));
        std::transform(word.begin(), word.end(), word.begin(),
                       [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
        if (!word.empty()) {
            words.push_back(std::move(word));
        }
    }
    return words;
}

inline std::ifstream open(const std::string &file) {
    std::ifstream stream(file);
    if (!stream) {
        throw std::runtime_error(file + ": cannot be read");
    }
    return stream;
}

inline std::vector<Text> read_texts(const std::string &file) {
    std::ifstream stream = open(file);
    std::vector<Text> texts;
    std::string line;
    for (std::size_t number = 1; std::getline(stream, line); number++) {
        const std::size_t tab = line.find('\t');
        const std::string rest = tab == std::string::npos ? "" : line.substr(tab + 1);
        char *end = nullptr;
        const float score = std::strtof(rest.c_str(), &end);
        if (end == rest.c_str() || *end != '\t' || !std::isfinite(score)) {
            throw std::runtime_error(file + ":" + std::to_string(number) + ": expected id TAB score TAB text");
        }
        if (std::abs(score) > 1e15F) { // errors are squared
            throw std::runtime_error(file + ":" + std::to_string(number) + ": the score is too large to be squared");
        }
        std::vector<std::string> words = words_of(end);
        if (!words.empty()) { // a text without words offers no choice
            texts.push_back({score, std::move(words)});
        }
    }
    if (texts.size() < 100) {
        throw std::runtime_error(file + ": fewer than 100 texts, too few to train and to test");
    }
    return texts;
}

// The words that carry feeling on their own in human judgement: the first column of the file.
inline std::unordered_set<std::string> read_lexicon(const std::string &file) {
    std::ifstream stream = open(file);
    std::unordered_set<std::string> lexicon;
    std::string line;
    while (std::getline(stream, line)) {
        lexicon.insert(line.substr(0, line.find('\t')));
    }
    return lexicon;
}

// A shuffled split into 80 % training, 10 % validation and 10 % test. Vocabulary, mean and deviation come from the
// training texts alone. Words that occur there at least twice are numbered from 1 in the order of their first
// appearance; all others have number 0.
class Corpus {
public:
    std::vector<Example> training, validation, test;
    std::size_t longest = 0; // words of the longest text; all texts are padded to this length
    float deviation = 0;     // of the training scores

    // Keeps pointers to the texts, so these must live longer.
    Corpus(const std::vector<Text> &texts, std::uint64_t seed) {
        std::vector<const Text *> order;
        for (const Text &text : texts) {
            order.push_back(&text);
            longest = std::max(longest, text.words.size());
        }
        SplitMix64(seed, 1).shuffle(order);
        const auto trained = order.begin() + static_cast<std::ptrdiff_t>(order.size() * 8 / 10);
        const auto validated = trained + (order.end() - trained) / 2;
        const std::vector<const Text *> base(order.begin(), trained);
        number_words(base);
        standardise(base);
        training = examples(order.begin(), trained);
        validation = examples(trained, validated);
        test = examples(validated, order.end());
    }

    // The number of words that the networks distinguish, number 0 included.
    std::size_t vocabulary() const { return numbers_.size() + 1; }

private:
    using Iterator = std::vector<const Text *>::const_iterator;

    void number_words(const std::vector<const Text *> &texts) {
        std::unordered_map<std::string, std::size_t> uses;
        for (const Text *text : texts) {
            for (const std::string &word : text->words) {
                uses[word]++;
            }
        }
        for (const Text *text : texts) {
            for (const std::string &word : text->words) {
                if (uses[word] >= 2) {
                    numbers_.try_emplace(word, static_cast<std::uint32_t>(vocabulary()));
                }
            }
        }
    }

    void standardise(const std::vector<const Text *> &texts) {
        const auto count = static_cast<double>(texts.size());
        double mean = 0, variance = 0;
        for (const Text *text : texts) {
            mean += static_cast<double>(text->score) / count;
        }
        for (const Text *text : texts) {
            variance += std::pow(static_cast<double>(text->score) - mean, 2) / count;
        }
        mean_ = static_cast<float>(mean);
        deviation = static_cast<float>(std::sqrt(variance));
    }

    std::vector<Example> examples(Iterator first, Iterator last) const {
        std::vector<Example> examples;
        for (auto text = first; text != last; ++text) {
            Example example{*text, {}, ((*text)->score - mean_) / deviation};
            for (const std::string &word : (*text)->words) {
                const auto number = numbers_.find(word);
                example.words.push_back(number == numbers_.end() ? 0 : number->second);
            }
            examples.push_back(std::move(example));
        }
        return examples;
    }

    std::unordered_map<std::string, std::uint32_t> numbers_;
    float mean_ = 0;
};

// The options of the training loops.

#pragma once

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "training.hpp"

// Parses a whole number from `least` to 2^32 - 1.
inline std::uint64_t number(const std::string &name, const std::string &value, std::uint64_t least) {
    const bool digits = !value.empty() && value.find_first_not_of("0123456789") == std::string::npos;
    const std::uint64_t number = digits ? std::strtoull(value.c_str(), nullptr, 10) : 0;
    if (!digits || number < least || number > 0xffff'ffff) {
        throw std::runtime_error(name + ": expected a whole number from " + std::to_string(least) + " to 4294967295");
    }
    return number;
}

struct Cli {
    std::string data = "examples/data/movie_reviews.tsv"; // valence_lexicon.tsv lies beside it
    Settings settings{5, 4, 12, 1, 2};

    // Reads the options that all training loops have, and hands every other one to set_other(name, value), which
    // returns false if it does not know it. `names` lists all options, for the message.
    template <class SetOther>
    void parse(const std::vector<std::string> &arguments, const std::string &names, const SetOther &set_other) {
        for (std::size_t i = 0; i < arguments.size(); i += 2) {
            const std::string &name = arguments[i];
            if (i + 1 == arguments.size()) {
                throw std::runtime_error(name + ": a value is missing");
            }
            if (!set(name, arguments[i + 1]) && !set_other(name, arguments[i + 1])) {
                throw std::runtime_error(name + ": expected " + names);
            }
        }
    }

private:
    bool set(const std::string &name, const std::string &value) {
        if (name == "--data") {
            data = value;
        } else if (name == "--epochs") {
            settings.epochs = static_cast<unsigned>(number(name, value, 1));
        } else if (name == "--k") {
            settings.k = static_cast<std::uint32_t>(number(name, value, 1));
        } else if (name == "--seed") {
            settings.seed = number(name, value, 0);
        } else {
            return false;
        }
        return true;
    }
};

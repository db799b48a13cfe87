#include "case.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace gatewise {
namespace {

// Every name there is, and what stands for it where a line leaves it out.
const std::map<std::string, std::string> DEFAULTS = {
    {"form", "-"},           // its name in the list, for the reader
    {"cell", "lstm"},        // lstm, lstm_coupled, gru, gru_reset_before, rnn
    {"dtype", "float32"},    // or float64
    {"steps", "3"},
    {"batch", "2"},
    {"inputs", "3"},
    {"units", "4"},
    {"projected", "2"},      // width of h with a projection
    {"projection", "0"},
    {"reverse", "0"},
    {"bias", "1"},
    {"identity", "0"},
    {"relu", "0"},
    {"peephole", "0"},
    {"layer_norm", "0"},
    {"initial", "0"},        // a learned state at cuts
    {"dropout", "0"},        // shares: of h that W_hh does not see, with masks
    {"zoneout_h", "0"},
    {"zoneout_c", "0"},
    {"masks", "0"},          // drawn; else zoneout takes its share
    {"lengths", "0"},        // sequences end early, and what follows is NaN
    {"resets", "0"},         // sequences are cut
    {"partial", "0"},        // some gradients are neither given nor wanted
    {"scale", "1"},          // of x
    {"shift", "0"},          // elements by which buffers miss their alignment
    {"seed", "1"},           // of all numbers
};

std::vector<std::vector<std::string>> read_parts(std::istream &list) {
  std::vector<std::vector<std::string>> parts(1);
  for (std::string line; std::getline(list, line);) {
    line.erase(std::min(line.find('#'), line.size()));
    if (line.find_first_not_of(" \t\r") != std::string::npos)
      parts.back().push_back(line);
    else if (!parts.back().empty())
      parts.emplace_back();
  }
  if (parts.back().empty()) parts.pop_back();
  return parts;
}

// Units about the widths of vectors, or any.
std::int64_t draw_units(Random &random) {
  constexpr std::int64_t ODD[] = {1, 2, 7, 15, 16, 17, 31, 32, 33, 48, 63, 65};
  return random() % 2 ? ODD[random() % std::size(ODD)] : std::int64_t(1 + random() % 80);
}

}  // namespace

Case::Case(const std::string &line) : values_(DEFAULTS) {
  std::istringstream pairs(line);
  for (std::string pair; pairs >> pair;) {
    const std::size_t sign = pair.find('=');
    if (sign == std::string::npos) throw std::invalid_argument("not name=value: " + pair);
    set(pair.substr(0, sign), pair.substr(sign + 1));
  }
}

Case::Case(Random &random) : values_(DEFAULTS) {
  const auto pick = [&](const std::vector<std::string> &words) {
    return words[random() % words.size()];
  };
  const auto below = [&](std::int64_t limit) { return std::int64_t(random() % limit); };
  const auto toss = [&](const char *name) { set(name, std::to_string(below(2))); };
  set("form", "random");
  set("cell", pick({"lstm", "lstm_coupled", "gru", "gru_reset_before", "rnn"}));
  set("dtype", pick({"float32", "float64"}));
  for (const char *name : {"reverse", "bias", "initial", "masks", "lengths", "resets", "partial"})
    toss(name);
  if (is_lstm())
    for (const char *name : {"identity", "peephole", "projection"}) toss(name);
  toss(cell() == Cell::rnn ? "relu" : "layer_norm");
  for (const char *name : {"dropout", "zoneout_h", "zoneout_c"})
    set(name, pick({"0", "0", "0.3", "1"}));
  set("scale", pick({"1", "1", "0", "1e-40", "100"}));
  set("shift", pick({"0", "1", "3"}));
  set("seed", std::to_string(below(1'000'000'000)));
  constexpr std::int64_t MOST_WORK = 500'000;  // so that a case takes less than a second
  const bool is_wide = !below(16);  // so that several threads pack
  // Of zeros, layer norm makes zeros, and multiplies their gradient by 1 / sqrt(1e-5) again and again:
  // ten steps are too much for a float.
  const bool is_still = has("layer_norm") && real("scale") < 1;
  std::int64_t steps, batch, inputs, units;
  do {
    steps = is_still ? below(4) : below(8) ? below(12) : below(300);
    batch = below(4) ? below(40) : below(3);
    inputs = is_wide ? 300 + below(300) : below(8) ? 1 + below(20) : 1 + below(100);
    units = is_wide ? 120 + below(80) : draw_units(random);
  } while (steps * batch * units * (units + inputs) > MOST_WORK);
  set("steps", std::to_string(steps));
  set("batch", std::to_string(batch));
  set("inputs", std::to_string(inputs));
  set("units", std::to_string(units));
  set("projected", std::to_string(1 + below(units)));
}

void Case::set(const std::string &name, const std::string &value) {
  if (!DEFAULTS.count(name)) throw std::invalid_argument("no such name: " + name);
  values_[name] = value;
}

std::string Case::line() const {
  std::string text;
  for (const auto &[name, value] : values_)
    if (value != DEFAULTS.at(name)) text += (text.empty() ? "" : " ") + name + "=" + value;
  return text;
}

Cell Case::cell() const {
  static const std::map<std::string, Cell> cells = {{"lstm", Cell::lstm},
                                                    {"lstm_coupled", Cell::lstm_coupled},
                                                    {"gru", Cell::gru},
                                                    {"gru_reset_before", Cell::gru_reset_before},
                                                    {"rnn", Cell::rnn}};
  const auto found = cells.find(word("cell"));
  if (found == cells.end()) throw std::invalid_argument("no such cell: " + word("cell"));
  return found->second;
}

std::int64_t Case::gates() const {
  return cell() == Cell::lstm ? 4 : cell() == Cell::rnn ? 1 : 3;
}

std::vector<Case> read_cases(std::istream &list) {
  std::vector<std::string> lines = {""};
  for (const std::vector<std::string> &part : read_parts(list)) {
    std::vector<std::string> longer;
    for (const std::string &line : lines)
      for (const std::string &more : part) longer.push_back(line + " " + more);
    lines = std::move(longer);
  }
  return {lines.begin(), lines.end()};
}

}  // namespace gatewise

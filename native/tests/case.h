// What a call is: a line of name=value pairs, from a list or drawn at random.
#pragma once

#include <cstdint>
#include <istream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "../api.h"

namespace gatewise {

using Random = std::mt19937_64;

class Case {
 public:
  // Reads a line; what it leaves out has its default.
  explicit Case(const std::string &line);
  // Draws all of it.
  explicit Case(Random &random);

  const std::string &word(const std::string &name) const { return values_.at(name); }
  double real(const std::string &name) const { return std::stod(word(name)); }
  std::int64_t integer(const std::string &name) const { return std::stoll(word(name)); }
  bool has(const std::string &name) const { return integer(name) != 0; }
  std::string line() const;  // that reads as this case

  Cell cell() const;
  bool is_lstm() const { return cell() == Cell::lstm || cell() == Cell::lstm_coupled; }
  std::int64_t gates() const;                   // G
  std::int64_t peepholes() const { return gates() - 1; }
  std::int64_t outputs() const { return integer(has("projection") ? "projected" : "units"); }

 private:
  void set(const std::string &name, const std::string &value);

  std::map<std::string, std::string> values_;
};

// The product of all parts of a list: parts are parted by empty lines, and a case is one line of
// each. What follows a # is a comment.
std::vector<Case> read_cases(std::istream &list);

}  // namespace gatewise

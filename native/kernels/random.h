// The bits of random masks: Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011, section 3.3).
#pragma once

#include "../api.h"

namespace gatewise {
namespace {

// Four words for each of COUNT counters, which they take the place of. One key.
template <int COUNT>
inline void philox(std::uint32_t (&words)[4][COUNT], std::uint32_t key_0, std::uint32_t key_1) {
  constexpr int ROUNDS = 10;
  constexpr std::uint64_t MULTIPLIER_0 = 0xD2511F53, MULTIPLIER_1 = 0xCD9E8D57;
  for (int round = 0; round < ROUNDS; ++round) {
    for (int k = 0; k < COUNT; ++k) {
      const std::uint64_t first = MULTIPLIER_0 * words[0][k], second = MULTIPLIER_1 * words[2][k];
      words[0][k] = std::uint32_t(second >> 32) ^ words[1][k] ^ key_0;
      words[1][k] = std::uint32_t(second);
      words[2][k] = std::uint32_t(first >> 32) ^ words[3][k] ^ key_1;
      words[3][k] = std::uint32_t(first);
    }
    key_0 += 0x9E3779B9;
    key_1 += 0xBB67AE85;
  }
}

// The bits of the rows [from, to) of all steps, one after the other. The counter is (unit / 4, row,
// step, stream), and a unit takes word unit % 4.
inline void draw_rows(const Draw &draw, std::int64_t from, std::int64_t to) {
  constexpr int COUNT = 16;
  for (std::int64_t place = from; place < to; ++place)
    for (std::int64_t unit = 0; unit < draw.units; unit += 4 * COUNT) {
      std::uint32_t words[4][COUNT];
      for (int k = 0; k < COUNT; ++k) {
        words[0][k] = std::uint32_t(unit / 4 + k);
        words[1][k] = std::uint32_t(place % draw.batch);
        words[2][k] = std::uint32_t(place / draw.batch);
        words[3][k] = draw.stream;
      }
      philox(words, std::uint32_t(draw.seed), std::uint32_t(std::uint64_t(draw.seed) >> 32));
      std::uint8_t bits[4 * COUNT];
      for (int k = 0; k < COUNT; ++k)
        for (int word = 0; word < 4; ++word) bits[4 * k + word] = words[word][k] < draw.threshold;
      const std::int64_t count = draw.units - unit < 4 * COUNT ? draw.units - unit : 4 * COUNT;
      __builtin_memcpy(draw.bits + place * draw.units + unit, bits, std::size_t(count));
    }
}

}  // namespace
}  // namespace gatewise

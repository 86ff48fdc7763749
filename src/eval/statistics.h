// Means with their uncertainty, and how two models agree over many positions.
#pragma once

#include <cstdint>
#include <vector>

#include "eval/logit_row.h"

namespace sambay {

/// Mean and standard error of numbers that come one by one (Welford 1962).
class RunningMean {
 public:
  void add(double x) {
    count_++;
    const double before = x - mean_;
    mean_ += before / static_cast<double>(count_);
    squares_ += before * (x - mean_);
  }
  int64_t count() const { return count_; }
  double mean() const { return mean_; }
  /// Of the mean, as if the numbers were independent; 0 for fewer than two.
  double standard_error() const;

 private:
  int64_t count_ = 0;
  double mean_ = 0, squares_ = 0;  // squares_: of the distances from the mean
};

/// How far a model's next-token probabilities are from a reference's. Four bytes per position.
class Divergence {
 public:
  /// Both rows belong to one position.
  void add(const LogitRow& reference, const LogitRow& model);

  int64_t tokens() const { return kl_.count(); }
  double kl_mean() const { return kl_.mean(); }  ///< nats, KL(reference || model)
  double kl_standard_error() const { return kl_.standard_error(); }
  /// At least this share of the positions has at most this KL (0 gives the smallest, 1 the largest); between
  /// two positions linearly interpolated, as NumPy's quantile does. 0 without positions.
  double kl_quantile(double share) const;
  /// Share of positions where the likeliest token is the same; 1 without positions. The lowest id counts
  /// among equals.
  double top1_agreement() const { return same_first_.count() > 0 ? same_first_.mean() : 1; }
  /// How many of the reference's five likeliest tokens are among the model's five, on average; 1 is all.
  double top5_agreement() const { return same_top_.count() > 0 ? same_top_.mean() : 1; }

 private:
  RunningMean kl_, same_first_, same_top_;
  std::vector<float> values_;  // one KL per position
};

}  // namespace sambay

/* A descriptor that is closed by whoever has it last, unless somebody took it. */
#pragma once
#include <unistd.h>

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor &) = delete;
  int number() const { return number_; }
  int take() {
    int number = number_;
    number_ = -1;
    return number;
  }

 private:
  int number_;
};

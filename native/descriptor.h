#pragma once

#include <unistd.h>

#include <cerrno>

namespace baton {

// Owns a descriptor until `Release`: what fails on the way closes it.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ < 0) return;
    // The caller still has to read the errno of what failed.
    int saved = errno;
    close(value_);
    errno = saved;
  }

  int Get() const { return value_; }
  bool Valid() const { return value_ >= 0; }
  int Release() {
    int value = value_;
    value_ = -1;
    return value;
  }

 private:
  int value_;
};

}  // namespace baton

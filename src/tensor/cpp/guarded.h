// How calls report errors to Rust.

#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <string>

// Runs `act`. Null, or what went wrong in words that live until the next call of the same thread.
template <typename Act>
const char* guarded(Act act) {
  static thread_local std::string words;
  try {
    act();
    return nullptr;
  } catch (const c10::Error& e) {
    words = e.what_without_backtrace();
  } catch (const std::exception& e) {
    words = e.what();
  }
  return words.c_str();
}

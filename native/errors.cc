#include "errors.h"

#include <cerrno>
#include <string>

#include <uv.h>

namespace baton {

namespace {

// libuv names most of errno; these can come from the calls made here and are missing there.
const char* MissingName(int number) {
  switch (number) {
    case ETOOMANYREFS:
      return "ETOOMANYREFS";
    case ENOLCK:
      return "ENOLCK";
    case EDQUOT:
      return "EDQUOT";
    case ESTALE:
      return "ESTALE";
    case ENOSR:
      return "ENOSR";
    default:
      return nullptr;
  }
}

const char* MissingText(int number) {
  switch (number) {
    case ETOOMANYREFS:
      return "too many descriptors in flight";
    case ENOLCK:
      return "no locks available";
    case EDQUOT:
      return "disk quota exceeded";
    case ESTALE:
      return "stale file handle";
    case ENOSR:
      return "out of streams resources";
    default:
      return nullptr;
  }
}

}  // namespace

Napi::Value ThrowErrno(Napi::Env env, int number, const char* syscall, const char* detail) {
  char name[64];
  char text[128];
  const char* missing = MissingName(number);
  if (missing != nullptr) {
    snprintf(name, sizeof name, "%s", missing);
    snprintf(text, sizeof text, "%s", MissingText(number));
  } else {
    uv_err_name_r(-number, name, sizeof name);
    uv_strerror_r(-number, text, sizeof text);
  }
  std::string message(syscall);
  if (detail != nullptr) message.append(" ").append(detail);
  message.append(": ").append(name).append(", ").append(text);
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, name));
  error.Set("errno", Napi::Number::New(env, number));
  error.Set("syscall", Napi::String::New(env, syscall));
  error.ThrowAsJavaScriptException();
  return env.Undefined();
}

}  // namespace baton

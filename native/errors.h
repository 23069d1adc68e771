#pragma once

#include <napi.h>

namespace baton {

// Raises a JavaScript Error with `code`, `errno` and `syscall`, such as `sendmsg: EPIPE, broken pipe`.
// `detail` (an option's name) follows the call in the message. Returns undefined, for `return ThrowErrno(...)`.
Napi::Value ThrowErrno(Napi::Env env, int number, const char* syscall, const char* detail = nullptr);

}  // namespace baton

#pragma once

#include <napi.h>

// The functions of the addon. Their arguments were checked by native/index.ts; each descriptor is an int32.
namespace baton {

inline int Integer(const Napi::Value& value) { return value.As<Napi::Number>().Int32Value(); }

Napi::Value Send(const Napi::CallbackInfo& info);
Napi::Value Receive(const Napi::CallbackInfo& info);
Napi::Value Credentials(const Napi::CallbackInfo& info);

Napi::Value Duplicate(const Napi::CallbackInfo& info);
Napi::Value Close(const Napi::CallbackInfo& info);
Napi::Value Shutdown(const Napi::CallbackInfo& info);
Napi::Value Lock(const Napi::CallbackInfo& info);

Napi::Value Facts(const Napi::CallbackInfo& info);

Napi::Value ListenTcp(const Napi::CallbackInfo& info);
Napi::Value BindUdp(const Napi::CallbackInfo& info);
Napi::Value Accept(const Napi::CallbackInfo& info);

Napi::Value ListenUnix(const Napi::CallbackInfo& info);
Napi::Value BindUnix(const Napi::CallbackInfo& info);
Napi::Value ConnectUnix(const Napi::CallbackInfo& info);
Napi::Value SocketPair(const Napi::CallbackInfo& info);
Napi::Value Notify(const Napi::CallbackInfo& info);

// Prepares this environment for `watch` (its own list, class and cleanup) and returns that function.
Napi::Function InitWatch(Napi::Env env);

}  // namespace baton

{
  'targets': [
    {
      'target_name': 'baton',
      'type': 'none',
      'conditions': [
        [
          'OS=="linux"',
          {
            'type': 'loadable_module',
            'sources': [
              'native/addon.cc',
              'native/descriptors.cc',
              'native/errors.cc',
              'native/facts.cc',
              'native/messages.cc',
              'native/sockets.cc',
              'native/unix.cc',
              'native/watch.cc',
            ],
            'include_dirs': ["<!(node -p \"require('node-addon-api').include_dir\")"],
            'defines': ['NAPI_VERSION=8', 'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS', 'NODE_ADDON_API_DISABLE_DEPRECATED'],
            'cflags': ['-Wall', '-Wextra', '-Werror', '-O2', '-fvisibility=hidden'],
          },
        ],
      ],
    },
  ],
}

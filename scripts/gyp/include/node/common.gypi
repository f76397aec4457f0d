# Stands in for Node's own common.gypi (scripts/build-native.js gives this folder to node-gyp as its nodedir), so
# that node-gyp needs no Node headers and downloads none: an addon of Node-API alone needs node-api-headers only.
{
  'variables': {
    'node_engine': 'v8',
  },
  'target_defaults': {
    'default_configuration': 'Release',
    'configurations': {
      'Release': {},
      'Debug': {},
    },
    'conditions': [
      ['OS=="mac"', {
        'xcode_settings': {
          'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
          'MACOSX_DEPLOYMENT_TARGET': '11.0',
        },
      }],
    ],
  },
}

# The fallback build, where cmake is missing (npm run build:gyp). Sources and flags are those of CMakeLists.txt.
# scripts/build-native.js copies it to build/gyp, where node-gyp works: npm would build by itself what finds this
# file in the root of a package.
{
  'variables': {
    'tenon_werror%': '0',
    'tenon_openmp%': '0',
    'tenon_api_headers': '<!(node ../../scripts/native-sources.js node-api-headers)',
    'tenon_addon_api': '<!(node ../../scripts/native-sources.js node-addon-api)',
  },
  'targets': [
    {
      'target_name': 'tenon',
      'sources': [
        '<!@(node ../../scripts/native-sources.js addon)',
        '<!@(node ../../scripts/native-sources.js core)',
      ],
      'include_dirs': ['../../native'],
      'defines': [
        'NDEBUG', 'NAPI_VERSION=8', 'NAPI_CPP_EXCEPTIONS',
        'TENON_VERSION="<!(node ../../scripts/native-sources.js version)"',
      ],
      'cflags': [
        '-isystem', '<(tenon_api_headers)',
        '-isystem', '<(tenon_addon_api)',
        '-O3', '-fvisibility=hidden', '-pthread',
        '<!@(node ../../scripts/native-sources.js flags)',
      ],
      'cflags_cc': ['-std=c++20', '-fvisibility-inlines-hidden'],
      'conditions': [
        ['tenon_werror==1', {'cflags': ['-Werror']}],
        ['tenon_openmp==1', {
          'sources': ['<!@(node ../../scripts/native-sources.js openmp)'],
          'cflags': ['-fopenmp'],
          'ldflags': ['-fopenmp'],
        }, {
          'sources': ['<!@(node ../../scripts/native-sources.js team)'],
        }],
        ['OS=="linux"', {
          'ldflags': ['-pthread', '-Wl,-z,nodelete'],
          'libraries': ['-ldl'],
        }],
        ['OS=="mac"', {
          'include_dirs': [
            '<(tenon_api_headers)',
            '<(tenon_addon_api)',
          ],
          'xcode_settings': {
            'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
            'GCC_OPTIMIZATION_LEVEL': '3',
            'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
            'OTHER_CPLUSPLUSFLAGS': ['<!@(node ../../scripts/native-sources.js flags)'],
          },
        }],
      ],
    },
  ],
}

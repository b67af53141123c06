# The addon and vz-host. On macOS they are made over Apple's frameworks; elsewhere, with GYP_DEFINES=vz_double=1, the same
# sources over the double of ../test/double, with the programs of the tests beside them, and without it nothing at all. The
# configuration Debug has the address and undefined-behaviour sanitizers. ../scripts/node-gyp.ts calls node-gyp. It is not in
# the package's folder, or pnpm would build it wherever the package is installed.
{
  'variables': {
    'vz_double%': 0,
    'node_addon_api': '<!(node -p "require(\'path\').resolve(require(\'node-addon-api\').include_dir)")',
    'sanitizers': ['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined'],
  },
  'conditions': [
    ['OS!="mac" and vz_double==1', {
      'make_global_settings': [
        ['CC', '/usr/bin/clang-16'],
        ['CXX', '/usr/bin/clang++-16'],
        ['LINK', '/usr/bin/clang++-16'],
      ],
    }],
    ['OS!="mac" and vz_double==0', {
      'targets': [{'target_name': 'nothing', 'type': 'none'}],
    }],
    ['OS=="mac" or vz_double==1', {
      'target_defaults': {
        # For quoted names only: the system's limits.h is not ours.
        'variables': {'objective_c%': 0},
        'cflags': ['-Wshadow', '-Werror', '-iquote<(module_root_dir)/core', '-iquote<(module_root_dir)/host', '-iquote<(module_root_dir)/../../host/native'],
        'cflags_c': ['-std=c11'],
        'cflags!': ['-Wno-unused-parameter', '-fno-omit-frame-pointer'],
        'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20'],
        'cflags_cc': ['-std=c++20', '-fblocks', '-fexceptions'],
        'defines!': ['_LARGEFILE_SOURCE', '_FILE_OFFSET_BITS=64'],
        'xcode_settings': {
          'MACOSX_DEPLOYMENT_TARGET': '13.0',
          'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
          'GCC_C_LANGUAGE_STANDARD': 'c11',
          'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
          'GCC_ENABLE_CPP_RTTI': 'YES',
          'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
          'CLANG_ENABLE_OBJC_ARC': 'NO',
          'WARNING_CFLAGS': ['-Wall', '-Wextra', '-Wshadow', '-Werror'],
          'OTHER_CFLAGS': ['-D_DARWIN_C_SOURCE', '-fobjc-exceptions', '-iquote<(module_root_dir)/core', '-iquote<(module_root_dir)/host', '-iquote<(module_root_dir)/../../host/native'],
        },
        'configurations': {
          'Release': {'cflags': ['-O2'], 'cflags!': ['-O3']},
          'Debug': {
            'cflags': ['-O1', '-g', '<@(sanitizers)'],
            'cflags!': ['-O0'],
            'ldflags': ['<@(sanitizers)'],
          },
        },
        'conditions': [
          ['OS!="mac"', {
            'cflags': ['-fPIC', '-fvisibility=hidden', '-D_GNU_SOURCE', '-I<(module_root_dir)/../test/double/include'],
            'cflags_cc': ['-DZLAYER_HOST_PROGRAM="<(module_root_dir)/../../host/dist/native/zlayer-host"'],
          }],
        ],
        'target_conditions': [
          # gyp knows no Objective-C there: a C++ file that includes the other stands for it (so no two sources of a target
          # may have one name). Flags come behind the file,
          # where a language is too late, so all of such a target is Objective-C++; exceptions of plain C++ do not pass it.
          ['OS!="mac" and objective_c==1', {
            'cflags_cc': [
              '-ObjC++', '-fobjc-runtime=gcc', '-fobjc-exceptions', '-fconstant-string-class=NSConstantString',
              '-DGNUSTEP', '-DGNUSTEP_BASE_LIBRARY=1', '-D_NATIVE_OBJC_EXCEPTIONS',
              '-isystem/usr/include/GNUstep', '-isystem<!(node ../scripts/objc-headers.ts)',
            ],
            'rules': [{
              'rule_name': 'objective_c',
              'extension': 'mm',
              'outputs': ['<(INTERMEDIATE_DIR)/<(RULE_INPUT_ROOT).mm.cc'],
              'action': ['node', '../scripts/include-source.ts', '<(RULE_INPUT_PATH)', '<@(_outputs)'],
              'process_outputs_as_sources': 1,
              'message': 'Including <(RULE_INPUT_PATH)',
            }],
          }],
        ],
      },
      'targets': [
        {
          'target_name': 'core',
          'type': 'static_library',
          # What Apple silicon alone has, and what stands for it on an Intel Mac.
          'variables': {
            'objective_c': 1,
            'apple_silicon': [
              'core/mac_data.mm', 'core/mac_guest.mm', 'core/mac_installation.mm', 'core/mac_platform.mm', 'core/rosetta.mm',
            ],
            'intel': ['core/mac_guest_of_intel.mm', 'core/rosetta_of_intel.mm'],
          },
          'sources': ['<!@(node -p "require(\'fs\').globSync(\'core/*.mm\').sort().join(\' \')")'],
          'link_settings': {
            'conditions': [
              ['OS=="mac"', {
                'libraries': ['-framework Foundation', '-framework Virtualization', '-framework Security'],
              }, {
                # GNUstep has a _Block_copy of its own that copies nothing: the real one comes first.
                'libraries': ['-lBlocksRuntime', '-lgnustep-base', '-lobjc', '-lpthread'],
              }],
            ],
          },
          'conditions': [
            ['OS=="mac" and target_arch!="arm64"', {
              'sources!': ['<@(apple_silicon)'],
            }, {
              'sources!': ['<@(intel)'],
            }],
            ['OS!="mac"', {
              'dependencies': ['unix_stream'],
              'sources': ['<!@(node -p "require(\'fs\').globSync(\'../test/double/*.mm\').sort().join(\' \')")'],
            }],
          ],
        },
        {
          'target_name': 'host_c',
          'type': 'static_library',
          # What every host program is made of.
          'sources': [
            '../../host/native/clock.c', '../../host/native/control.c', '../../host/native/descriptors.c', '../../host/native/failure.c',
            '../../host/native/identity.c', '../../host/native/json.c', '../../host/native/run_directory.c',
            '../../host/native/socket_path.c', '../../host/native/text.c', '../../host/native/utf8.c',
          ],
        },
        {
          'target_name': 'vz-native',
          'type': 'loadable_module',
          'dependencies': ['core', 'host_c'],
          'sources': [
            '<!@(node -p "require(\'fs\').globSync(\'addon/*.cc\').sort().join(\' \')")',
            'host/console_file.cc',
          ],
          'defines': ['NAPI_VERSION=9', 'NAPI_CPP_EXCEPTIONS'],
          'cflags': ['-isystem<(node_addon_api)'],
          'xcode_settings': {'OTHER_CFLAGS': ['-isystem<(node_addon_api)']},
        },
        {
          'target_name': 'vz-host',
          'type': 'executable',
          'dependencies': ['core', 'host_c'],
          'sources': ['<!@(node -p "require(\'fs\').globSync(\'host/*.cc\').sort().join(\' \')")'],
        },
      ],
      'conditions': [
        ['OS!="mac"', {
          'targets': [
            {
              'target_name': 'unix_stream',
              'type': 'static_library',
              'sources': ['../test/double/unix_stream.cc'],
            },
            {
              'target_name': 'leak-check',
              'type': 'executable',
              'variables': {'objective_c': 1},
              'dependencies': ['core'],
              'sources': ['../test/leak-check.mm'],
            },
            {
              'target_name': 'bridge-check',
              'type': 'executable',
              'dependencies': ['core', 'host_c'],
              'sources': ['host/vsock_bridge.cc', '../test/bridge-check.cc'],
            },
          ],
        }],
      ],
    }],
  ],
}

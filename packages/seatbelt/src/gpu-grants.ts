/** What one operation is allowed for: values, by the filter that they are for. */
export interface Grant {
  /** For the profile's comments. */
  purpose: string;
  operation: string;
  filters: Readonly<Record<string, readonly string[]>>;
}

const FRAMEWORKS: Grant = {
  purpose: 'driver bundles and frameworks',
  operation: 'file-read*',
  filters: {
    subpath: [
      '/Library/GPUBundles',
      '/System/Library/Frameworks/Metal.framework',
      '/System/Library/Frameworks/MetalPerformanceShaders.framework',
      '/System/Library/Frameworks/MetalPerformanceShadersGraph.framework',
    ],
  },
};

/** Metal opens `AGXDeviceUserClient`; `AGXAccelerator…` are the classes of its driver. */
const SERVICES: Grant = {
  purpose: 'the drivers of GPU and surfaces',
  operation: 'iokit-open-service',
  filters: { 'iokit-user-client-class': ['IOSurfaceRoot'], 'iokit-registry-entry-class-prefix': ['AGXAcceleratorG'] },
};

/** All that `MTLCreateSystemDefaultDevice` and shaders compiled at run time need. */
const METAL: readonly Grant[] = [
  {
    purpose: 'user clients of GPU, surfaces and power management',
    operation: 'iokit-open',
    filters: {
      'iokit-user-client-class': [
        'AGXDeviceUserClient',
        'AGXSharedUserClient',
        'IOAccelContext',
        'IOAccelContext2',
        'IOAccelDevice',
        'IOAccelDevice2',
        'IOAccelSharedUserClient',
        'IOAccelSharedUserClient2',
        'IOAccelSubmitter2',
        'IOSurfaceAcceleratorClient',
        'IOSurfaceRootUserClient',
        'RootDomainUserClient',
      ],
    },
  },
  SERVICES,
  {
    purpose: 'the same user clients, as newer systems ask for them',
    operation: 'iokit-open-user-client',
    filters: {
      'iokit-user-client-class': [
        'AGXDeviceUserClient',
        'AGXSharedUserClient',
        'IOSurfaceAcceleratorClient',
        'IOSurfaceRootUserClient',
      ],
    },
  },
  {
    purpose: 'properties of GPU and drivers',
    operation: 'iokit-get-properties',
    filters: {
      'iokit-property': [
        'AGCInfo',
        'AGXCliqueTracingDefaults',
        'AGXInternalPerfCounterResourcesPath',
        'AGXLimitersDirName',
        'AGXParameterBufferMaxSize',
        'AGXParameterBufferMaxSizeEverMemless',
        'AGXParameterBufferMaxSizeNeverMemless',
        'AGXTraceCodeVersion',
        'CFBundleIdentifier',
        'CFBundleIdentifierKernel',
        'CommandSubmissionEnabled',
        'CompactVRAM',
        'EnableBlitLib',
        'GPUConfigurationVariable',
        'GPUDCCDisplayable',
        'GPUDebugNullClientMask',
        'GPURawCounterBundleName',
        'GPURawCounterPluginClassName',
        'GpuDebugPolicy',
        'IOClass',
        'IOClassNameOverride',
        'IOGLBundleName',
        'IOGLESBundleName',
        'IOGLESDefaultUseMetal',
        'IOGLESMetalBundleName',
        'IOGeneralInterest',
        'IOMatchCategory',
        'IOMatchedAtBoot',
        'IONameMatch',
        'IONameMatched',
        'IOPCIMatch',
        'IOPersonalityPublisher',
        'IOPowerManagement',
        'IOProbeScore',
        'IOProviderClass',
        'IORegistryEntryPropertyKeys',
        'IOReportLegend',
        'IOReportLegendPublic',
        'IOSourceVersion',
        'KDebugVersion',
        'MetalCoalesce',
        'MetalPluginClassName',
        'MetalPluginName',
        'MetalStatisticsName',
        'MetalStatisticsScriptName',
        'PerformanceStatistics',
        'Removable',
        'SCMBuildTime',
        'SCMVersionNumber',
        'SafeEjectRequested',
        'SchedulerState',
        'SurfaceList',
        'chip-id',
        'class-code',
        'device-id',
        'gpu-core-count',
        'model',
        'soc-generation',
        'vendor-id',
      ],
    },
  },
  {
    purpose: 'the shader compiler, GPU memory, power management',
    operation: 'mach-lookup',
    filters: {
      'global-name': [
        'com.apple.CARenderServer',
        'com.apple.MTLCompilerService',
        'com.apple.PowerManagement.control',
        'com.apple.cvmsServ',
        'com.apple.gpu.process',
        'com.apple.gpumemd.source',
      ],
      'xpc-service-name': ['com.apple.MTLCompilerService'],
      'xpc-service-name-prefix': ['com.apple.AGXCompilerService'],
    },
  },
  {
    purpose: 'settings',
    operation: 'user-preference-read',
    filters: { 'preference-domain': ['com.apple.Metal', 'com.apple.opengl', 'com.nvidia.OpenGL'] },
  },
  FRAMEWORKS,
  {
    purpose: 'the shader compiler',
    operation: 'file-read*',
    filters: { subpath: ['/System/Library/PrivateFrameworks/GPUCompiler.framework'] },
  },
];

/** Enough for Metal Performance Shaders; `MPSGraph` compiles kernels at run time, so the compiler's service is here too. */
const MPS: readonly Grant[] = [
  {
    purpose: 'user clients of GPU, surfaces and power management',
    operation: 'iokit-open',
    filters: {
      'iokit-user-client-class': [
        'AGXDeviceUserClient',
        'AGXSharedUserClient',
        'IOAccelContext2',
        'IOAccelDevice2',
        'IOAccelSharedUserClient2',
        'IOSurfaceRootUserClient',
        'RootDomainUserClient',
      ],
    },
  },
  SERVICES,
  {
    purpose: 'the same user clients, as newer systems ask for them',
    operation: 'iokit-open-user-client',
    filters: { 'iokit-user-client-class': ['AGXDeviceUserClient', 'IOSurfaceRootUserClient'] },
  },
  {
    purpose: 'properties of GPU and drivers',
    operation: 'iokit-get-properties',
    filters: {
      'iokit-property': [
        'GPUConfigurationVariable',
        'GPURawCounterBundleName',
        'IOClass',
        'IOGLESDefaultUseMetal',
        'IORegistryEntryPropertyKeys',
        'IOSourceVersion',
        'MetalPluginClassName',
        'MetalPluginName',
        'device-id',
        'gpu-core-count',
        'model',
        'soc-generation',
        'vendor-id',
      ],
    },
  },
  {
    purpose: 'the shader compiler, GPU memory, power management',
    operation: 'mach-lookup',
    filters: {
      'global-name': ['com.apple.MTLCompilerService', 'com.apple.PowerManagement.control', 'com.apple.gpumemd.source'],
      'xpc-service-name': ['com.apple.MTLCompilerService'],
    },
  },
  { purpose: 'settings', operation: 'user-preference-read', filters: { 'preference-domain': ['com.apple.Metal'] } },
  FRAMEWORKS,
];

export const GPU_GRANTS: Readonly<Record<'metal' | 'mps', readonly Grant[]>> = { metal: METAL, mps: MPS };

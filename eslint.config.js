// Lint only: Biome formats, tsc checks types, dependency-cruiser guards the walls between rooms.
import js from "@eslint/js";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

/** Rooms that fold inputs to outcomes. Time, chance, disk and network reach them as arguments, so that one seed replays everything. */
const pureRooms = [
  "packages/{raft-ts,h2}/src/core/**/*.ts",
  "**/src/domain/**/*.ts",
  "operator/src/{model,plan}/**/*.ts",
];
const tests = ["**/*.test.ts", "test/**/*.ts", "**/src/**/testing/**/*.ts"];

const houseSyntax = [
  {
    selector: "ExportDefaultDeclaration",
    message: "Export by name: a default export has a different name in every importer.",
  },
  { selector: "ExportSpecifier[exported.name='default']", message: "Export by name." },
  { selector: "PropertyDefinition[accessibility='private']", message: "Use #private, which holds at run time too." },
  {
    selector: "MethodDefinition[accessibility='private'][kind!='constructor']",
    message: "Use #private, which holds at run time too.",
  },
  {
    selector:
      "VariableDeclarator[init.type='AwaitExpression'][init.argument.type='ImportExpression'][init.argument.source.value=/^(?!\\.|node:|@saturnmq)/] > ObjectPattern > Property[key.name!='default']",
    message: "A package that is CommonJS has no names in a bundle, only a whole: take `{ default: name }`.",
  },
  { selector: "TSEnumDeclaration", message: "Use a union or a const object: enums are not erasable." },
];

const pureSyntax = [
  { selector: "AwaitExpression", message: "A pure room answers in its caller's turn." },
  { selector: "ForOfStatement[await=true]", message: "A pure room answers in its caller's turn." },
  { selector: ":function[async=true]", message: "A pure room answers in its caller's turn." },
  {
    selector: "MemberExpression[object.name='Math'][property.name='random']",
    message: "Chance enters as an argument.",
  },
  {
    selector: "ImportDeclaration[source.value=/^node:/][importKind!='type']",
    message: "A pure room has no built-ins.",
  },
];

const pureGlobals = [
  ...["Date", "performance"].map((name) => ({ name, message: "Time enters as an argument." })),
  ...["setTimeout", "setInterval", "setImmediate", "queueMicrotask"].map((name) => ({
    name,
    message: "A pure room starts nothing: return what is to be done.",
  })),
  ...["Promise", "fetch"].map((name) => ({ name, message: "A pure room answers in its caller's turn." })),
  ...["process", "console", "crypto", "globalThis"].map((name) => ({
    name,
    message: "A pure room sees only its arguments.",
  })),
];

export default defineConfig(
  { ignores: ["**/node_modules/", "**/dist/", "**/generated/", "**/coverage/", "saturnmq-data/"] },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    files: ["**/*.js", "**/*.cjs"],
    extends: [js.configs.recommended],
    languageOptions: {
      globals: Object.fromEntries(
        [
          "process",
          "console",
          "performance",
          "URL",
          "Buffer",
          "setTimeout",
          "clearTimeout",
          "setInterval",
          "clearInterval",
        ].map((name) => [name, "readonly"]),
      ),
    },
  },
  {
    files: ["**/*.cjs"],
    languageOptions: { sourceType: "commonjs", globals: { module: "writable", require: "readonly" } },
  },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "no-restricted-syntax": ["error", ...houseSyntax],
      "no-console": "error",
      eqeqeq: "error",
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { allowDefaultCaseForExhaustiveSwitch: true, requireDefaultForNonUnion: true },
      ],
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
      "@typescript-eslint/no-import-type-side-effects": "off",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/no-confusing-void-expression": [
        "error",
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      "@typescript-eslint/no-unnecessary-condition": [
        "error",
        { allowConstantLoopConditions: "only-allowed-literals" },
      ],
      // An async method without await still turns a throw into a rejection, which ports with promises need.
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/ban-ts-comment": [
        "error",
        { "ts-ignore": true, "ts-expect-error": "allow-with-description" },
      ],
    },
  },
  {
    files: pureRooms,
    ignores: tests,
    rules: {
      "no-restricted-syntax": ["error", ...houseSyntax, ...pureSyntax],
      "no-restricted-globals": ["error", ...pureGlobals],
    },
  },
  {
    files: ["cli/**/*.ts", "bench/**/*.ts", "test/**/*.ts", "**/scripts/**/*.ts"],
    rules: { "no-console": "off" },
  },
  {
    files: tests,
    rules: {
      // Jest's matchers are typed `any`, and a test that meets `undefined` has failed anyway.
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/unbound-method": "off",
    },
  },
);

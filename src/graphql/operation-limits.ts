import {
  type ASTVisitor,
  type DocumentNode,
  type FragmentDefinitionNode,
  Kind,
  type SelectionSetNode,
  type ValidationContext,
  visit,
} from "graphql";
import { limits } from "../core/limits.ts";
import { requestError } from "./errors.ts";

interface Size {
  readonly depth: number;
  /** With every fragment spread out; may be Infinity. */
  readonly fieldCount: number;
}

/**
 * Refuses what is too deep, too wide or floods aliases or directives, before anything is looked up in the schema.
 * Linear in the document: each fragment is measured once, a cycle of fragments counts as too deep.
 */
export function operationLimitsRule(context: ValidationContext): ASTVisitor {
  return {
    Document(document) {
      for (const message of excesses(document)) {
        context.reportError(requestError("QUERY_TOO_LARGE", message));
      }
      return false;
    },
  };
}

function excesses(document: DocumentNode): readonly string[] {
  const { aliasCount, directiveCount } = countMarks(document);
  const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  const sizeOf = createMeasure(fragments);
  const sizes = operations.map(({ selectionSet }) => sizeOf(selectionSet));
  const rootCounts = operations.map(({ selectionSet }) => rootFieldCount(selectionSet, fragments));
  return [
    excess("aliases", aliasCount, limits.queryAliasesMax),
    excess("directives", directiveCount, limits.queryDirectivesMax),
    excess("levels", Math.max(0, ...sizes.map(({ depth }) => depth)), limits.queryDepthMax),
    excess("fields", Math.max(0, ...sizes.map(({ fieldCount }) => fieldCount)), limits.queryFieldsMax),
    excess("root fields", Math.max(0, ...rootCounts), limits.queryRootFieldsMax),
  ].filter((message) => message !== undefined);
}

function excess(what: string, count: number, max: number): string | undefined {
  return count > max
    ? `An operation may have ${max} ${what}; this has ${count < 1_000_000 ? count : "far more"}.`
    : undefined;
}

function countMarks(document: DocumentNode) {
  let aliasCount = 0;
  let directiveCount = 0;
  visit(document, {
    Field: (node) => {
      if (node.alias) aliasCount++;
    },
    Directive: () => {
      directiveCount++;
    },
  });
  return { aliasCount, directiveCount };
}

function createMeasure(fragments: ReadonlyMap<string, FragmentDefinitionNode>) {
  const known = new Map<string, Size>();
  const endless: Size = { depth: Number.POSITIVE_INFINITY, fieldCount: Number.POSITIVE_INFINITY };
  const ofFragment = (name: string): Size => {
    const before = known.get(name);
    if (before) return before;
    const fragment = fragments.get(name);
    if (!fragment) return { depth: 0, fieldCount: 0 };
    known.set(name, endless);
    const size = ofSelections(fragment.selectionSet);
    known.set(name, size);
    return size;
  };
  const ofSelections = ({ selections }: SelectionSetNode): Size => {
    let depth = 0;
    let fieldCount = 0;
    for (const selection of selections) {
      const inner =
        selection.kind === Kind.FRAGMENT_SPREAD
          ? ofFragment(selection.name.value)
          : selection.selectionSet
            ? ofSelections(selection.selectionSet)
            : { depth: 0, fieldCount: 0 };
      const own = selection.kind === Kind.FIELD ? 1 : 0;
      depth = Math.max(depth, inner.depth + own);
      fieldCount += inner.fieldCount + own;
    }
    return { depth, fieldCount };
  };
  return ofSelections;
}

function rootFieldCount(root: SelectionSetNode, fragments: ReadonlyMap<string, FragmentDefinitionNode>): number {
  const seen = new Set<string>();
  const count = ({ selections }: SelectionSetNode): number =>
    selections.reduce((sum, selection) => {
      if (selection.kind === Kind.FIELD) return sum + 1;
      if (selection.kind === Kind.INLINE_FRAGMENT) return sum + count(selection.selectionSet);
      const fragment = fragments.get(selection.name.value);
      if (!fragment || seen.has(selection.name.value)) return sum;
      seen.add(selection.name.value);
      return sum + count(fragment.selectionSet);
    }, 0);
  return count(root);
}

from tests.support.crds import main

main()
